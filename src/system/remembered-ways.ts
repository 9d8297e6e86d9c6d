import type { Family } from '../core/family.js';
import { type DefaultWay, readDefaultWays } from './main-routes.js';
import { MAIN_TABLE, type NewsItem } from './news.js';

/** How long after news of a device nothing is remembered, since IPv4 routes go with it later and without a word. */
const UNSETTLED_MS = 1000;
/** How long something is remembered at most, in case a change is not told. */
const MOST_MS = 300_000;

/**
 * The usable default ways, which the kernel has to be asked for only when news say that they may be others: among 15,000
 * routes it takes 20 ms to tell them, for which packets wait.
 */
export class RememberedWays {
  readonly #now: () => number;
  readonly #read: typeof readDefaultWays;
  readonly #known = new Map<Family, { readonly ways: readonly DefaultWay[]; readonly at: number }>();
  #unsettledUntil = Number.NEGATIVE_INFINITY;

  /** @param read replace it in tests */
  constructor(now: () => number, read: typeof readDefaultWays = readDefaultWays) {
    this.#now = now;
    this.#read = read;
  }

  /** To be told all news of routes, addresses, links and nexthops. */
  hear(news: readonly NewsItem[]): void {
    for (const item of news) {
      if (item.kind === 'route') {
        if (item.table === MAIN_TABLE && item.dst === 'default') this.#known.delete(item.family);
      } else if (item.kind !== 'rule') {
        this.#known.clear();
        this.#unsettledUntil = this.#now() + UNSETTLED_MS;
      }
    }
  }

  /** Does what {@link readDefaultWays} says. */
  ways(family: Family): readonly DefaultWay[] | undefined {
    const now = this.#now();
    const known = this.#known.get(family);
    if (known !== undefined && now - known.at < MOST_MS) return known.ways;
    const ways = this.#read(family);
    if (ways !== undefined && now >= this.#unsettledUntil) this.#known.set(family, { ways, at: now });
    return ways;
  }
}
