import { type Logger, pino, stdTimeFunctions } from 'pino';

/** How long a line may stay in memory before it is written: short enough to tail, long enough to batch. */
const FLUSH_MS = 50;
/** Most bytes that wait for a slow reader; beyond, lines are dropped, never connections. */
const MAX_BUFFER_BYTES = 16 * 1024 * 1024;
/** Characters of lines that one write takes at most, which a pipe has room for. */
const LINES_LENGTH = 32 * 1024;

/** Writes a line of NDJSON, given with its newline, in order with the logger's own lines. */
export type LineSink = (line: string) => void;

/** A logger and the way to end it. */
export interface Log {
  readonly logger: Logger;
  /**
   * Writes the many lines of the mark log at a tenth of the logger's cost. Undefined on a terminal, where lines are for
   * people.
   */
  readonly line: LineSink | undefined;
  /** How many lines were dropped because the reader of our stdout is too slow. */
  dropped(): number;
  /** Writes the lines that are still in memory; call it before the process exits. */
  flush(): void;
}

/** Makes a log of NDJSON on stdout, or of readable lines when stdout is a terminal. */
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
  // Many lines share one write, which costs as much as making five lines.
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
  // A timeout and not an interval: a flush without lines would be an empty write on a thread of libuv.
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
      // A descriptor that is not open yet, or a broken pipe, should not make the exit fail.
      try {
        writeLines();
        destination.flushSync();
      } catch {}
    },
  };
}
