import type { Logger } from 'pino';
import { atMost } from './at-most.js';

/** How often one place is said to fail. */
const SAID_EVERY_MS = 60_000;
/** The first of our own lines in a stack, with the function's name where it has one. */
const OUR_LINE =
  /at (?:async )?(?:(?:new )?([\w.#$<>]+) .*?)?\S*?\/(?:dist|dist-src|src)\/(\S+?)\.[jt]s:(\d+)/;

/**
 * Keeps an exception in one part from ending the others: the daemon without its hooks, or without its mark log, is better
 * than none. Each place that fails is one line a minute at most.
 */
export class Isolation {
  readonly #logger: Pick<Logger, 'error'>;
  readonly #now: () => number;
  readonly #said = new Map<string, { at: number; times: number }>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(logger: Pick<Logger, 'error'>, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Says that something failed that nobody expected to fail. Never throws. */
  readonly report = (error: unknown): void => {
    const place = placeOf(error);
    const now = this.#now();
    const said = this.#said.get(place);
    if (said !== undefined && now - said.at < SAID_EVERY_MS) {
      said.times++;
      return;
    }
    this.#said.set(place, { at: now, times: 0 });
    const more = said === undefined || said.times === 0 ? {} : { timesSinceLast: said.times };
    const text = error instanceof Error ? error.message : String(error);
    try {
      this.#logger.error({ place, error: text, ...more }, 'a part of the daemon failed; the others go on');
    } catch {
      // The log itself is what failed.
    }
  };

  /** What `work` returns, or `otherwise` when it throws. */
  run<T>(work: () => T, otherwise: T): T {
    return this.around(work, otherwise)();
  }

  /** A function like `work` that returns `otherwise` when that throws; for work on a decision's way, where each call counts. */
  around<A extends unknown[], T>(work: (...args: A) => T, otherwise: T): (...args: A) => T {
    return (...args) => {
      try {
        return work(...args);
      } catch (error) {
        this.report(error);
        return otherwise;
      }
    };
  }

  /** Resolves when `work` has settled, however it ends, or after `ms`. */
  settle(work: () => unknown, ms: number): Promise<void> {
    return atMost(ms, (async () => work())().catch(this.report));
  }

  /**
   * Takes in what nobody else caught: callbacks of timers, sockets and promises. A broken timer does its work the next
   * time, and everything that others need to go on is kept when it is left out. Holds until the process ends, since a
   * part that does not end may fail after the others have ended.
   */
  catchAll(): void {
    process.on('uncaughtException', this.report);
    process.on('unhandledRejection', this.report);
  }
}

/** Where an error was thrown, as `Hooks.changed (daemon/hooks:63)`. In a bundle the name says more than the file. */
function placeOf(error: unknown): string {
  const [, name, file, line] = OUR_LINE.exec((error as Error | undefined)?.stack ?? '') ?? [];
  if (file === undefined) return 'unknown';
  return name === undefined ? `${file}:${line}` : `${name} (${file}:${line})`;
}
