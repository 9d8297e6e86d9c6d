/** The values of many series over equal steps of time, as long as they are remembered. */
export interface Columns {
  readonly stepSeconds: number;
  /** When each step began, in seconds since 1970; the last one may not be over yet. */
  readonly times: readonly number[];
  /** The mean of each step by series; null where there was no value. */
  readonly series: Readonly<Record<string, readonly (number | null)[]>>;
}

/** Values by the name of their series; null where there is none at the moment. */
export type Values = ReadonlyMap<string, number | null>;

interface Sum {
  sum: number;
  count: number;
}

/** The last steps of time, and the mean of each series in each step. Its size is fixed, whatever comes in. */
export class Ring {
  readonly stepMs: number;
  readonly #size: number;
  /** The number of the step that each place has; steps are counted from 1970. */
  readonly #steps: Float64Array;
  readonly #series = new Map<string, Float32Array>();
  #current = Number.NaN;
  #sums = new Map<string, Sum>();

  /** @param size how many steps are remembered */
  constructor(stepMs: number, size: number) {
    this.stepMs = stepMs;
    this.#size = size;
    this.#steps = new Float64Array(size).fill(Number.NaN);
  }

  /**
   * Takes in the values of a moment. A series that is not among them any more is forgotten when all of its steps are.
   * @param at milliseconds since 1970; when that clock is set back, what is later than its new time is forgotten
   */
  add(at: number, values: Values): void {
    const step = Math.floor(at / this.stepMs);
    if (step !== this.#current) this.#begin(step);
    for (const [name, value] of values) {
      if (value === null) continue;
      const sum = this.#sums.get(name) ?? { sum: 0, count: 0 };
      sum.sum += value;
      sum.count++;
      this.#sums.set(name, sum);
      this.#places(name)[step % this.#size] = sum.sum / sum.count;
    }
  }

  /** The steps that began at or after a time, the oldest first. @param after milliseconds since 1970 */
  columns(after: number): Columns {
    const steps = [...this.#steps].filter((step) => step * this.stepMs >= after).sort((a, b) => a - b);
    const series = [...this.#series].map(([name, places]): [string, (number | null)[]] => [
      name,
      steps.map((step) => {
        const value = places[step % this.#size]!;
        return Number.isNaN(value) ? null : Math.round(100 * value) / 100;
      }),
    ]);
    const seconds = this.stepMs / 1000;
    return {
      stepSeconds: seconds,
      times: steps.map((step) => step * seconds),
      series: Object.fromEntries(series),
    };
  }

  #begin(step: number): void {
    const place = step % this.#size;
    for (const [i, known] of this.#steps.entries()) if (known >= step) this.#clear(i);
    this.#clear(place);
    this.#steps[place] = step;
    this.#current = step;
    this.#sums = new Map();
    for (const [name, places] of this.#series) if (places.every(Number.isNaN)) this.#series.delete(name);
  }

  #clear(place: number): void {
    this.#steps[place] = Number.NaN;
    for (const places of this.#series.values()) places[place] = Number.NaN;
  }

  #places(name: string): Float32Array {
    const known = this.#series.get(name);
    if (known !== undefined) return known;
    const places = new Float32Array(this.#size).fill(Number.NaN);
    this.#series.set(name, places);
    return places;
  }
}
