import type { RateHistory } from '../../core/byte-meter.js';

/** The steps that are kept: ten minutes. */
const STEPS = 60;

/**
 * The rates of a WAN over the last ten minutes, both directions together, by the clock on the wall: a daemon that was started anew knows only
 * what came since, and what was shown before stays.
 */
export class Series {
  readonly #rates = new Map<number, number>();
  #latest = 0;
  #stepMs = 10_000;

  /** @param at when the history ends, in milliseconds of the epoch */
  add(history: RateHistory, at: number): void {
    this.#stepMs = 1000 * history.stepSeconds;
    this.#latest = Math.floor(at / this.#stepMs);
    history.in.forEach((rate, i) => {
      const out = history.out[i];
      if (rate === null || out === null || out === undefined) return;
      this.#rates.set(this.#latest - history.in.length + 1 + i, rate + out);
    });
    for (const step of this.#rates.keys()) if (step <= this.#latest - STEPS) this.#rates.delete(step);
  }

  /** The rates up to a moment, the oldest first; null where nothing is known. */
  values(now: number): (number | null)[] {
    const last = Math.max(this.#latest, Math.floor(now / this.#stepMs));
    return Array.from({ length: STEPS }, (_, i) => this.#rates.get(last - STEPS + 1 + i) ?? null);
  }
}
