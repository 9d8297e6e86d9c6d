import type { Wan } from './wan.js';

/** Live connections of a WAN now, those just decided included: a plain number, 0 or more. */
export type Connections = (wan: Wan) => number;

/**
 * The connections of each WAN, for whoever makes a strategy: hand it `connections` as part of the context, and
 * look at `wanted` afterwards to learn whether anything has to count.
 *
 *     const counts = new Counts();
 *     const strategy = factory({ random, now, get connections() { return counts.connections; } });
 *     if (counts.wanted) counts.source = (mark) => counter.count(mark);
 */
export class Counts {
  /** Where the numbers come from, by mark number; without one every WAN has 0. */
  source: ((mark: number) => number) | undefined;
  #wanted = false;
  readonly #connections: Connections = (wan) => this.source?.(wan.mark) ?? 0;

  /** Reading it is wanting it, so read it only on a strategy's behalf. */
  get connections(): Connections {
    this.#wanted = true;
    return this.#connections;
  }

  /** Whether the strategy has asked for the counts. One of a user's may ask as late as in its first `pick`. */
  get wanted(): boolean {
    return this.#wanted;
  }
}
