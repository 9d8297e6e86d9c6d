/** What a counter says at one moment: bytes in both directions, whole numbers. */
export interface ByteCount {
  readonly in: number;
  readonly out: number;
}

/** Bits a second in both directions. */
export interface BitRate {
  readonly in: number;
  readonly out: number;
}

/** Averages over equal steps of time, the oldest first; the last step is not over yet. */
export interface RateHistory {
  readonly stepSeconds: number;
  /** Bits a second; null where nobody looked. */
  readonly in: readonly (number | null)[];
  readonly out: readonly (number | null)[];
}

/** A rate is taken over this time at most: long enough to be steady, and short enough to see what happens. */
const RATE_MS = 6000;
/** Ten minutes in steps of ten seconds. */
const STEP_MS = 10_000;
const STEPS = 60;

interface Reading extends ByteCount {
  readonly at: number;
}

interface Step {
  readonly number: number;
  in: number;
  out: number;
}

/**
 * Makes totals and rates of a counter that somebody else keeps and may begin anew, as a device does that is dialled again.
 * Pure: each reading comes in with its time.
 */
export class ByteMeter {
  #last: Reading | undefined;
  #total: ByteCount | undefined;
  /** The totals at the readings of the last {@link RATE_MS}, the oldest first. */
  #recent: Reading[] = [];
  #steps: Step[] = [];

  /**
   * Takes in a reading.
   * @param count undefined while there is no counter; then there is no rate either
   * @param at milliseconds of a clock that never goes back
   */
  read(count: ByteCount | undefined, at: number): void {
    if (count === undefined) {
      this.#recent = [];
      return;
    }
    const grown = growth(this.#last, count);
    const last = this.#last;
    this.#last = { ...count, at };
    // What was counted before the first reading is part of the total, as with any counter of the kernel.
    const total = { in: (this.#total?.in ?? 0) + grown.in, out: (this.#total?.out ?? 0) + grown.out };
    this.#total = total;
    this.#recent.push({ ...total, at });
    while (this.#recent.length > 2 && at - this.#recent[0]!.at > RATE_MS) this.#recent.shift();
    // Of a longer time nobody knows when in it they came.
    if (last !== undefined && at - last.at <= STEP_MS) this.#note(grown, at);
  }

  /** Bytes since the counter began, with all its new beginnings; undefined before the first reading. */
  get total(): ByteCount | undefined {
    return this.#total;
  }

  /** The rate of the last seconds; undefined until there are two readings. */
  get rate(): BitRate | undefined {
    const [first] = this.#recent;
    const last = this.#recent.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at) return undefined;
    const bits = (direction: keyof ByteCount) =>
      Math.round((8000 * (last[direction] - first[direction])) / (last.at - first.at));
    return { in: bits('in'), out: bits('out') };
  }

  /** The last ten minutes. @param now of the same clock */
  history(now: number): RateHistory {
    const latest = stepAt(now);
    const byNumber = new Map(this.#steps.map((step) => [step.number, step]));
    const part = (number: number) => (number === latest ? Math.max(1000, now - number * STEP_MS) : STEP_MS);
    const rates = (direction: keyof ByteCount) =>
      Array.from({ length: STEPS }, (_, i) => {
        const step = byNumber.get(latest - STEPS + 1 + i);
        return step === undefined ? null : Math.round((8000 * step[direction]) / part(step.number));
      });
    return { stepSeconds: STEP_MS / 1000, in: rates('in'), out: rates('out') };
  }

  #note(grown: ByteCount, at: number): void {
    const number = stepAt(at);
    let step = this.#steps.at(-1);
    if (step?.number !== number) {
      step = { number, in: 0, out: 0 };
      this.#steps.push(step);
      while (this.#steps[0]!.number <= number - STEPS) this.#steps.shift();
    }
    step.in += grown.in;
    step.out += grown.out;
  }
}

function stepAt(ms: number): number {
  return Math.floor(ms / STEP_MS);
}

/**
 * How many bytes came after a reading. A counter that has lost half or more of what it had began anew, and what it has now is
 * new. One that falls by less was put together from counters that are not read at the same instant.
 */
export function growth(before: ByteCount | undefined, now: ByteCount): ByteCount {
  if (before === undefined || now.in * 2 < before.in || now.out * 2 < before.out) return now;
  return { in: Math.max(0, now.in - before.in), out: Math.max(0, now.out - before.out) };
}
