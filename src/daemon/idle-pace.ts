/**
 * Says at which turns of a timer to look at something that mostly has not changed. What a look takes goes by the size of the
 * machine, so a costly one is left out at some turns: all looks together take at most one `factor`th of the time.
 */
export class IdlePace {
  readonly #factor: number;
  #tookMs = 0;
  /** The turns since the last look, with the next one. Counted in turns, since a cheap look needs no pause. */
  #turns = 1;

  constructor(factor: number) {
    this.#factor = factor;
  }

  /** To be called once a turn. @param turnMs the time between two turns */
  isDue(turnMs: number): boolean {
    if (this.#turns * turnMs >= this.#factor * this.#tookMs) return true;
    this.#turns++;
    return false;
  }

  /** Notes a look, whoever asked for it. */
  looked(tookMs: number): void {
    this.#tookMs = tookMs;
    this.#turns = 1;
  }
}
