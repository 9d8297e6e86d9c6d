/** For how long an answer shows that its destination is alive. */
const FRESH_MS = 10_000;
/** For how long an unanswered connection shows that its destination is dead; clients keep trying for longer. */
const DEAD_MS = 30_000;
const MOST = 2048;

interface Seen {
  /** By WAN, when the latest connection to the destination was decided that was answered. */
  readonly answered: Map<string, number>;
  /** By WAN, when the latest connection to the destination was decided that was not answered. */
  readonly unanswered: Map<string, number>;
}

/** Which destinations answered lately, and by which WANs. Bounded: the oldest are forgotten. */
export class Destinations {
  readonly #seen = new Map<string, Seen>();

  note(key: string, wan: string, answered: boolean, decidedAt: number): void {
    const seen = this.#seen.get(key) ?? { answered: new Map(), unanswered: new Map() };
    const times = answered ? seen.answered : seen.unanswered;
    times.set(wan, Math.max(decidedAt, times.get(wan) ?? decidedAt));
    // Moves the entry to the end, so that the first entry is always the oldest.
    this.#seen.delete(key);
    this.#seen.set(key, seen);
    if (this.#seen.size > MOST) this.#seen.delete(this.#seen.keys().next().value!);
  }

  /** Whether a destination answered lately by a WAN of `others`, and no connection by them stayed unanswered since. */
  isAlive(key: string, others: readonly string[], now: number): boolean {
    const { answered, unanswered } = this.#latest(key, others);
    return answered > now - FRESH_MS && answered >= unanswered;
  }

  /** Whether a connection by a WAN of `others` stayed unanswered lately, and none by them was answered since. */
  isDead(key: string, others: readonly string[], now: number): boolean {
    const { answered, unanswered } = this.#latest(key, others);
    return unanswered > now - DEAD_MS && unanswered > answered;
  }

  /** When the latest answered connection to the destination by a WAN of `others` was decided. */
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

/** The network of a destination, a /24 or a /48: an outage there usually hits all of the network. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address.slice(0, address.lastIndexOf('.'));
  const [head = ''] = address.split('::', 1);
  const groups = head === '' ? [] : head.split(':');
  return [0, 1, 2].map((i) => groups[i] ?? '0').join(':');
}
