/** Lets one message through each `intervalMs` and counts the others. */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #now: () => number;
  #last = Number.NEGATIVE_INFINITY;
  #held = 0;

  constructor(intervalMs: number, now: () => number) {
    this.#intervalMs = intervalMs;
    this.#now = now;
  }

  /** Calls `emit` with the number of messages held back since the last one, or holds this one back, too. */
  run(emit: (held: number) => void): void {
    const now = this.#now();
    if (now - this.#last < this.#intervalMs) {
      this.#held++;
      return;
    }
    const held = this.#held;
    this.#last = now;
    this.#held = 0;
    emit(held);
  }
}
