/** The time between two repairs, so that a program that removes our rules again and again costs little. */
const APART_MS = 1000;
/** This many repairs in a minute are a fight that nobody wins. */
const FIGHT = 15;
const MINUTE_MS = 60_000;
const FIGHT_APART_MS = 30_000;
/** The pause after a repair that failed. */
const RETRY_MS = 5000;

/** Says how long to leave the rules alone. */
export class RepairPace {
  readonly #now: () => number;
  #repairs: number[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Notes a repair. @returns milliseconds until the next one is allowed */
  repaired(): number {
    const now = this.#now();
    this.#repairs = [...this.#repairs.filter((time) => now - time < MINUTE_MS), now];
    return this.fighting ? FIGHT_APART_MS : APART_MS;
  }

  failed(): number {
    return RETRY_MS;
  }

  /** Whether somebody keeps removing what is put back. */
  get fighting(): boolean {
    return this.#repairs.length >= FIGHT;
  }
}
