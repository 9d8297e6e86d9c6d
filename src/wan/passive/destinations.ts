/** What a destination's state says is old after that. */
const FRESH_MS = 10_000;
/** An unanswered one is asked again by its clients for longer. */
const DEAD_MS = 30_000;
const MOST = 2048;

interface Seen {
  /** When a connection by each WAN was decided that was answered, or not. */
  readonly answered: Map<string, number>;
  readonly unanswered: Map<string, number>;
}

/** Which destinations answered lately, and by which WANs. Bounded: the oldest are forgotten. */
export class Destinations {
  readonly #seen = new Map<string, Seen>();

  note(key: string, wan: string, answered: boolean, decidedAt: number): void {
    const seen = this.#seen.get(key) ?? { answered: new Map(), unanswered: new Map() };
    const times = answered ? seen.answered : seen.unanswered;
    times.set(wan, Math.max(decidedAt, times.get(wan) ?? decidedAt));
    // Moves it to the end, so that the first one is the one that was heard of longest ago.
    this.#seen.delete(key);
    this.#seen.set(key, seen);
    if (this.#seen.size > MOST) this.#seen.delete(this.#seen.keys().next().value!);
  }

  /** Answered by another of `others` lately, and not unanswered by one since. */
  isAlive(key: string, others: readonly string[], now: number): boolean {
    const { answered, unanswered } = this.#latest(key, others);
    return answered > now - FRESH_MS && answered >= unanswered;
  }

  /** Unanswered by another of `others` lately, and not answered by one since. */
  isDead(key: string, others: readonly string[], now: number): boolean {
    const { answered, unanswered } = this.#latest(key, others);
    return unanswered > now - DEAD_MS && unanswered > answered;
  }

  /** When a connection to it that another of `others` answered was decided last. */
  lastAnswered(key: string, others: readonly string[]): number {
    return this.#latest(key, others).answered;
  }

  #latest(key: string, others: readonly string[]): { answered: number; unanswered: number } {
    const seen = this.#seen.get(key);
    const latest = (times: ReadonlyMap<string, number> | undefined) =>
      Math.max(Number.NEGATIVE_INFINITY, ...others.map((wan) => times?.get(wan) ?? Number.NEGATIVE_INFINITY));
    return { answered: latest(seen?.answered), unanswered: latest(seen?.unanswered) };
  }
}

/** The network that a destination stands for: /24 or /48. What is broken there is broken for all of it. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address.slice(0, address.lastIndexOf('.'));
  const [head = ''] = address.split('::', 1);
  const groups = head === '' ? [] : head.split(':');
  return [0, 1, 2].map((i) => groups[i] ?? '0').join(':');
}
