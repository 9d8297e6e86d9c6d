import type { Logger } from 'pino';
import type { Exclusion } from '../../conntrack/exclusion.js';
import { ConntrackNews, type NewsListener } from '../../conntrack/news.js';
import { isRefusal } from '../../errors.js';
import { RateLimit } from '../rate-limit.js';

/** How long one listens to some: up to {@link MOST_IN_SLOT} connections, and then no more until the next time. */
const SLOT_MS = 100;
/** Some 500 a second are what the watch over connections looks at. */
const MOST_IN_SLOT = 50;
/** How often a loss is said. */
const LOST_MS = 60_000;

/** Which connections are to be told of. */
export type Wanted = 'none' | 'some' | 'all';

export interface BegunParts {
  /** The mask of the field that tells connections of ours. */
  readonly mask: number;
  readonly logger: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** What is not told of. */
  readonly exclusion: () => Exclusion | undefined;
  readonly onBegun: NewsListener;
}

/**
 * Hears from conntrack of connections that have begun, for whoever sees no packets. All of them cost each one a microsecond or
 * more in the kernel; some are a fair sample of bounded cost: the first of each tenth of a second.
 */
export class Begun {
  readonly #parts: BegunParts;
  readonly #limit: RateLimit;
  #wanted: Wanted = 'none';
  #news: ConntrackNews | undefined;
  #slots: NodeJS.Timeout | undefined;
  #heard = 0;
  #lost = 0;

  constructor(parts: BegunParts) {
    this.#parts = parts;
    this.#limit = new RateLimit(LOST_MS, parts.now);
  }

  /** How often more was to be told than there was room for, so that some are not told of. */
  get lost(): number {
    return this.#lost;
  }

  /** Begins or ends to listen. */
  want(wanted: Wanted): void {
    if (wanted === this.#wanted) return;
    this.#end();
    this.#wanted = wanted;
    if (wanted === 'none') return;
    this.#listen();
    if (wanted === 'some') this.#slots = setInterval(() => this.#nextSlot(), SLOT_MS).unref();
  }

  /** To be called when addresses or routes of the router may have changed. */
  lookAround(): void {
    const exclusion = this.#parts.exclusion();
    if (exclusion !== undefined) this.#news?.exclude(exclusion);
  }

  /** Tells of what has come until now. */
  flush(): void {
    this.#news?.flush();
  }

  close(): void {
    this.flush();
    this.#end();
    this.#wanted = 'none';
  }

  #nextSlot(): void {
    this.#heard = 0;
    if (this.#news === undefined) this.#listen();
  }

  #listen(): void {
    const { mask, onBegun, logger } = this.#parts;
    const exclusion = this.#parts.exclusion();
    try {
      this.#news = new ConntrackNews(
        { mask, ...(exclusion && { exclusion }) },
        (batch, count) => {
          this.#heard += count;
          onBegun(batch, count);
          if (this.#wanted === 'some' && this.#heard >= MOST_IN_SLOT) this.#hush();
        },
        () => this.#onLost(),
        (error) => {
          this.#news = undefined;
          logger.error(`connections are not told of any more: ${error.message}`);
        },
      );
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#limit.run(() => logger.error(`connections cannot be told of: ${(error as Error).message}`));
    }
  }

  #hush(): void {
    this.#news?.close();
    this.#news = undefined;
  }

  #end(): void {
    clearInterval(this.#slots);
    this.#hush();
  }

  /** Of a sample nobody misses any. */
  #onLost(): void {
    if (this.#wanted !== 'all') return;
    this.#lost++;
    this.#limit.run((held) =>
      this.#parts.logger.warn(
        { times: 1 + held },
        'more connections began than could be told of, so some have no line in the log',
      ),
    );
  }
}
