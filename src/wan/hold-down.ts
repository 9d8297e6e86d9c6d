/**
 * The hold after the second failure in a row. The first failure needs none: the checks take long enough to trust the
 * WAN again.
 */
const FIRST_HOLD_MS = 10_000;
const LONGEST_HOLD_MS = 300_000;
/** Each such time of being up without a break takes one doubling back. */
const STABLE_MS = 300_000;

/**
 * How long a WAN that goes down stays down at least: 0, 10, 20, 40, ... 300 s. The time doubles with each failure; five
 * minutes of being up without a break take one doubling back.
 */
export class HoldDown {
  #level = 0;

  /** @param upMs how long it was up before @returns milliseconds to stay down */
  wentDown(upMs: number): number {
    this.#level = Math.max(0, this.#level - Math.floor(upMs / STABLE_MS));
    const holdMs = this.#level === 0 ? 0 : FIRST_HOLD_MS * 2 ** (this.#level - 1);
    if (holdMs < LONGEST_HOLD_MS) this.#level++;
    return Math.min(holdMs, LONGEST_HOLD_MS);
  }
}
