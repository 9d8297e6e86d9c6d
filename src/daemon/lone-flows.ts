import type { Flow } from '../core/flow.js';
import type { Tuple } from '../core/tuple.js';

/** An error about a connection without an answer comes within seconds, if at all. */
const KEPT_MS = 30_000;
/** How many of them are kept at most, twice. */
const MOST = 4096;

/**
 * The new connections that no other WAN could take, because their policy has none. An error about such a connection is
 * for the client: without it the client would wait for a second chance that there is not.
 */
export class LoneFlows {
  readonly #now: () => number;
  #recent = new Set<string>();
  #older = new Set<string>();
  #begun: number;

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
    this.#begun = now();
  }

  add(flow: Flow): void {
    this.#turn();
    this.#recent.add(keyOf(flow));
  }

  has(tuple: Tuple): boolean {
    this.#turn();
    const key = keyOf(tuple);
    return this.#recent.has(key) || this.#older.has(key);
  }

  /** Forgets the older half, when it is old enough or there are too many. */
  #turn(): void {
    const now = this.#now();
    if (now - this.#begun < KEPT_MS && this.#recent.size < MOST) return;
    this.#older = now - this.#begun < 2 * KEPT_MS ? this.#recent : new Set();
    this.#recent = new Set();
    this.#begun = now;
  }
}

function keyOf({ proto, src, sport, dst, dport }: Omit<Tuple, 'family'>): string {
  return `${proto} ${src} ${sport} ${dst} ${dport}`;
}
