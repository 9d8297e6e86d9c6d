/**
 * The hold after the second failure in a row. The first failure needs none: the checks take long enough to trust the
 * WAN again.
 */
const FIRST_HOLD_MS = 10_000;
const LONGEST_HOLD_MS = 300_000;
/** The level with the longest hold. */
const TOP_LEVEL = 1 + Math.ceil(Math.log2(LONGEST_HOLD_MS / FIRST_HOLD_MS));
/** Each such time of being up without a break takes one doubling back. */
const STABLE_MS = 300_000;
/** So many brief outages are forgiven in each {@link FORGIVING_MS} of being up; more is a line that flaps. */
const MOST_FORGIVEN = 3;
const FORGIVING_MS = 60_000;

/** What a hold-down goes by, in a form for the next daemon. */
export interface HoldDownMemory {
  readonly level: number;
  readonly upMs: number;
  readonly forgiven: readonly number[];
  readonly owed: number;
}

/**
 * How long a WAN that goes down stays down at least: 0, 10, 20, 40, ... 300 s. The time doubles with each failure; five
 * minutes of being up without a break take one doubling back.
 *
 * A few brief outages are forgiven. With one more within the minute, those that were forgiven count after all. Time of
 * being down does not make it forgiving again, or a line that flaps would begin anew after each long hold.
 */
export class HoldDown {
  #level = 0;
  /** For how long the WAN has been up altogether. */
  #upMs = 0;
  /** At which {@link HoldDown.#upMs} outages were forgiven. */
  #forgiven: readonly number[] = [];
  /** How many of these count if it turns out that the line flaps. */
  #owed = 0;

  /** @param memory that of the same WAN in an earlier daemon */
  constructor(memory?: HoldDownMemory) {
    if (memory === undefined) return;
    this.#level = memory.level;
    this.#upMs = memory.upMs;
    this.#forgiven = memory.forgiven;
    this.#owed = memory.owed;
  }

  get memory(): HoldDownMemory {
    return { level: this.#level, upMs: this.#upMs, forgiven: this.#forgiven, owed: this.#owed };
  }

  /**
   * To be asked once for each outage, when it begins.
   * @param upMs how long it was up before
   * @returns whether the outage may be forgiven if it is brief
   */
  forgives(upMs: number): boolean {
    this.#upMs += upMs;
    this.#forgiven = this.#forgiven.filter((at) => this.#upMs - at < FORGIVING_MS);
    this.#owed = Math.min(this.#owed, this.#forgiven.length);
    return this.#forgiven.length < MOST_FORGIVEN;
  }

  /** Notes that the outage is over and forgiven. */
  forgave(): void {
    this.#forgiven = [...this.#forgiven, this.#upMs];
    this.#owed++;
  }

  /** Counts an outage that is not forgiven. @param upMs how long it was up before @returns milliseconds to stay down */
  wentDown(upMs: number): number {
    this.#level = Math.max(0, this.#level - Math.floor(upMs / STABLE_MS));
    if (this.#forgiven.length >= MOST_FORGIVEN) {
      this.#level = Math.min(TOP_LEVEL, this.#level + this.#owed);
      this.#owed = 0;
    }
    const holdMs = this.#level === 0 ? 0 : FIRST_HOLD_MS * 2 ** (this.#level - 1);
    this.#level = Math.min(TOP_LEVEL, this.#level + 1);
    return Math.min(holdMs, LONGEST_HOLD_MS);
  }
}
