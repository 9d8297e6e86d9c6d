import { type Logger, pino, stdTimeFunctions } from 'pino';

/** How long a line may stay in memory before it is written: short enough to tail, long enough to batch. */
const FLUSH_MS = 50;
/** With a reader that is slower than we are, lines beyond this are dropped, never connections. */
const MAX_BUFFER_BYTES = 16 * 1024 * 1024;
/** Characters of lines that are written at once: what a pipe takes. */
const LINES_LENGTH = 32 * 1024;

/** Takes a line of NDJSON with its newline, which is in its place among the logger's lines. */
export type LineSink = (line: string) => void;

/** A logger and the way to end it. */
export interface Log {
  readonly logger: Logger;
  /**
   * For the many lines that the mark log has: a tenth of the logger's own price. Undefined on a terminal, where
   * lines are for people.
   */
  readonly line: LineSink | undefined;
  /** Lines that were dropped because the reader of our stdout is too slow. */
  dropped(): number;
  /** Writes what is still in memory; call before the process exits. */
  flush(): void;
}

/** NDJSON on stdout, or readable lines when stdout is a terminal. */
export async function createLog(): Promise<Log> {
  if (process.stdout.isTTY) {
    const { default: pretty } = await import('pino-pretty');
    const stream = pretty({
      colorize: true,
      ignore: 'pid,hostname',
      translateTime: 'SYS:HH:MM:ss.l',
      sync: true,
    });
    const logger = pino({ base: null }, stream);
    return { logger, line: undefined, dropped: () => 0, flush: () => undefined };
  }
  const destination = pino.destination({
    dest: 1,
    sync: false,
    minLength: 4096,
    maxLength: MAX_BUFFER_BYTES,
  });
  // One write for many lines: each costs as much as making five of them.
  let lines = '';
  const writeLines = () => {
    if (lines === '') return;
    destination.write(lines);
    lines = '';
  };
  let dropped = 0;
  destination.on('drop', (text: string) => {
    dropped += text.split('\n').length - 1;
  });
  // Not an interval: a flush without a line would be an empty write, by way of a thread of libuv's.
  let timer: NodeJS.Timeout | undefined;
  const flushSoon = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      writeLines();
      destination.flush();
    }, FLUSH_MS).unref();
  };
  const logger = pino(
    {
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      hooks: {
        logMethod(args, method) {
          writeLines();
          method.apply(this, args);
          flushSoon();
        },
      },
    },
    destination,
  );
  return {
    logger,
    line: (line) => {
      lines += line;
      flushSoon();
      if (lines.length >= LINES_LENGTH) writeLines();
    },
    dropped: () => dropped,
    flush: () => {
      clearTimeout(timer);
      // A descriptor that is not open yet, or a broken pipe, is no reason to fail at the end.
      try {
        writeLines();
        destination.flushSync();
      } catch {}
    },
  };
}
