import { type Logger, pino, stdTimeFunctions } from 'pino';

/** How long a line may stay in memory before it is written: short enough to tail, long enough to batch. */
const FLUSH_MS = 50;
/** With a reader that is slower than we are, lines beyond this are dropped, never connections. */
const MAX_BUFFER_BYTES = 16 * 1024 * 1024;

/** A logger and the way to end it. */
export interface Log {
  readonly logger: Logger;
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
    return { logger: pino({ base: null }, stream), dropped: () => 0, flush: () => undefined };
  }
  const destination = pino.destination({
    dest: 1,
    sync: false,
    minLength: 4096,
    maxLength: MAX_BUFFER_BYTES,
  });
  let dropped = 0;
  destination.on('drop', () => dropped++);
  const timer = setInterval(() => destination.flush(), FLUSH_MS);
  timer.unref();
  const logger = pino({ base: null, timestamp: stdTimeFunctions.isoTime }, destination);
  return {
    logger,
    dropped: () => dropped,
    flush: () => {
      clearInterval(timer);
      // A descriptor that is not open yet, or a broken pipe, is no reason to fail at the end.
      try {
        destination.flushSync();
      } catch {}
    },
  };
}
