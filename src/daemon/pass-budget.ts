/** The time in which passes are counted. */
const WINDOW_MS = 60_000;
/** So many passes may follow each other quickly; more of them are rare. They are counted, since a busy machine is slow. */
const FREE = 5;
/** The pause after a pass beyond that, as a multiple of its duration, and the longest one. */
const PAUSE_FACTOR = 39;
const MOST_MS = 30_000;

/**
 * Keeps passes that start programs from taking more than a few percent of a processor, however often others change
 * something. A few in a row are free: what a person does, or a line that comes up, is followed at once.
 */
export class PassBudget {
  readonly #now: () => number;
  #passes: readonly number[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes a pass that took `ms`. @returns for how many milliseconds no other one is wanted */
  spent(ms: number): number {
    const now = this.#now();
    this.#passes = [...this.#passes.filter((at) => now - at < WINDOW_MS), now];
    return this.#passes.length <= FREE ? 0 : Math.min(PAUSE_FACTOR * ms, MOST_MS);
  }
}
