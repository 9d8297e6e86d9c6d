import type { Logger } from 'pino';
import type { FaultCounts } from '../control/status.js';
import type { Fault } from '../core/pool.js';
import { RateLimit } from './rate-limit.js';

const LOG_MS = 1000;

/** Sums up the faults of several strategies. */
export function sumFaults(all: readonly FaultCounts[]): FaultCounts {
  const sum = { threw: 0, noCandidate: 0, late: 0 };
  for (const { threw, noCandidate, late } of all) {
    sum.threw += threw;
    sum.noCandidate += noCandidate;
    sum.late += late;
  }
  return sum;
}

/** Counts the faults of a strategy and logs at most one line a second. */
export class StrategyFaults {
  readonly #logger: Logger;
  readonly #strategy: string;
  readonly #limit: RateLimit;
  readonly #lateLimit: RateLimit;
  readonly #counts = { threw: 0, noCandidate: 0, late: 0 };
  /** Late connections that are not in the log yet. */
  #lateConnections = 0;

  constructor(logger: Logger, strategy: string, now: () => number) {
    this.#logger = logger;
    this.#strategy = strategy;
    this.#limit = new RateLimit(LOG_MS, now);
    this.#lateLimit = new RateLimit(LOG_MS, now);
  }

  get counts(): FaultCounts {
    return { ...this.#counts };
  }

  /** @param given what the strategy threw or returned */
  readonly report = (fault: Fault, given: unknown): void => {
    this.#counts[fault === 'threw' ? 'threw' : 'noCandidate']++;
    this.#limit.run((held) => {
      this.#logger.error(
        { strategy: this.#strategy, detail: describe(given), held },
        `strategy ${fault}; the kernel chooses`,
      );
    });
  };

  /**
   * Notes that a late strategy answers again.
   * @param lateMs by how much it missed the deadline
   * @param connections how many connections the kernel has chosen for since the last call
   */
  late(lateMs: number, connections: number): void {
    this.#counts.late++;
    this.#lateConnections += connections;
    this.#lateLimit.run((held) => {
      this.#logger.warn(
        { strategy: this.#strategy, lateMs, connections: this.#lateConnections, held },
        'strategy was late; the kernel chose meanwhile',
      );
      this.#lateConnections = 0;
    });
  }
}

function describe(given: unknown): string {
  if (given instanceof Error) return given.message;
  const name = (given as { name?: unknown } | null | undefined)?.name;
  return typeof name === 'string' ? name : typeof given;
}
