import type { Logger } from 'pino';
import { type CounterReading, MonthCounts, parseKeptMonth } from '../core/month-counts.js';
import { readState, writeState } from '../system/state-file.js';

/** How often they are written at most: flash wears out, and the kernel's counters know the rest until the next boot. */
const WRITE_MS = 600_000;

export interface MonthsParts {
  readonly path: string;
  readonly logger: Pick<Logger, 'warn'>;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly date?: () => Date;
  readonly write?: typeof writeState;
}

/** The bytes of this month by WAN, which outlive the daemon and a boot. Without their file they begin with the daemon. */
export class Months {
  readonly #parts: MonthsParts;
  readonly #counts: MonthCounts;
  #written = '';
  #writtenAt: number;
  #writing: Promise<void> = Promise.resolve();
  #hasFailed = false;

  constructor(parts: MonthsParts) {
    this.#parts = parts;
    this.#counts = new MonthCounts(this.#read());
    this.#writtenAt = parts.now();
  }

  /** Takes in what the counters of some WANs say now. */
  read(readings: ReadonlyMap<string, CounterReading>): void {
    const { now, date = () => new Date() } = this.#parts;
    this.#counts.read(readings, date(), now());
    if (now() - this.#writtenAt < WRITE_MS) return;
    this.#writtenAt = now();
    this.#write();
  }

  /** Does what {@link MonthCounts.of} says. */
  of(name: string) {
    return this.#counts.of(name);
  }

  /** Resolves when all is written. */
  async stop(): Promise<void> {
    this.#write();
    await this.#writing;
  }

  #read() {
    const { path, logger } = this.#parts;
    try {
      const stored = readState(path);
      if (stored === undefined) return undefined;
      const kept = parseKeptMonth(stored);
      if (kept === undefined) logger.warn(`${path} is of another version, so the month's bytes begin anew`);
      return kept;
    } catch (error) {
      logger.warn(`the month's bytes begin anew: ${path}: ${(error as Error).message}`);
      return undefined;
    }
  }

  #write(): void {
    const kept = this.#counts.kept();
    const text = JSON.stringify(kept?.wans);
    if (kept === undefined || text === this.#written) return;
    this.#written = text;
    const { path, logger, write = writeState } = this.#parts;
    this.#writing = this.#writing
      .then(() => write(path, kept))
      .then(
        () => {
          this.#hasFailed = false;
        },
        (error: Error) => {
          this.#written = '';
          if (!this.#hasFailed)
            logger.warn(`the month's bytes cannot be kept for the next start: ${error.message}`);
          this.#hasFailed = true;
        },
      );
  }
}
