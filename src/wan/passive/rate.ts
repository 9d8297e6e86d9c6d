const HALF_LIFE_MS = 60_000;

/** How many answers were in time and how many late; older ones count less: half after a half-life, by default a minute. */
export class Rate {
  readonly #halfLifeMs: number;
  #inTime = 0;
  #late = 0;
  #at = Number.NEGATIVE_INFINITY;

  constructor(halfLifeMs = HALF_LIFE_MS) {
    this.#halfLifeMs = halfLifeMs;
  }

  add(late: boolean, now: number): void {
    this.#decay(now);
    if (late) this.#late++;
    else this.#inTime++;
  }

  /** The number of late answers, by their present weight. */
  late(now: number): number {
    this.#decay(now);
    return this.#late;
  }

  /** The number of all answers, by their present weight. */
  total(now: number): number {
    this.#decay(now);
    return this.#inTime + this.#late;
  }

  /** The part of the answers that was late, 0 to 1; 0 where there were none. */
  share(now: number): number {
    return this.late(now) / (this.total(now) || 1);
  }

  #decay(now: number): void {
    const factor = now > this.#at ? 0.5 ** ((now - this.#at) / this.#halfLifeMs) : 1;
    this.#inTime *= factor;
    this.#late *= factor;
    this.#at = Math.max(this.#at, now);
  }
}
