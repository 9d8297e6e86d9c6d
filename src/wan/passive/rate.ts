const HALF_LIFE_MS = 60_000;

/**
 * Counts answered and unanswered connections; older ones count less: half after a half-life, by default a minute.
 */
export class Rate {
  readonly #halfLifeMs: number;
  #answered = 0;
  #unanswered = 0;
  #at = Number.NEGATIVE_INFINITY;

  constructor(halfLifeMs = HALF_LIFE_MS) {
    this.#halfLifeMs = halfLifeMs;
  }

  add(answered: boolean, now: number): void {
    this.#decay(now);
    if (answered) this.#answered++;
    else this.#unanswered++;
  }

  counts(now: number): Counts {
    this.#decay(now);
    return { answered: this.#answered, unanswered: this.#unanswered };
  }

  #decay(now: number): void {
    const factor = now > this.#at ? 0.5 ** ((now - this.#at) / this.#halfLifeMs) : 1;
    this.#answered *= factor;
    this.#unanswered *= factor;
    this.#at = Math.max(this.#at, now);
  }
}

export interface Counts {
  readonly answered: number;
  readonly unanswered: number;
}

export function sum(all: readonly Counts[]): Counts {
  const total = { answered: 0, unanswered: 0 };
  for (const { answered, unanswered } of all) {
    total.answered += answered;
    total.unanswered += unanswered;
  }
  return total;
}

/**
 * The probability that the next `k` connections all stay unanswered on a WAN with the history `seen`: the posterior
 * predictive of a Beta(a, b) prior (Polya's urn), the product of (u + a + j) / (n + a + b + j). It is right for small
 * numbers, too: with nothing seen it falls only slowly.
 */
export function predictive(k: number, seen: Counts, a: number, b: number): number {
  const total = seen.answered + seen.unanswered;
  let probability = 1;
  for (let j = 0; j < k; j++) probability *= (seen.unanswered + a + j) / (total + a + b + j);
  return probability;
}
