import { networkOf } from './network.js';

/** A destination that answered a client's TCP connection. */
export interface Destination {
  readonly address: string;
  readonly port: number;
  /** The key of its network. */
  readonly network: string;
}

interface Known extends Destination {
  readonly client: string;
  readonly answeredAt: number;
  /** When it last answered a connection by each WAN. */
  readonly byWan: ReadonlyMap<string, number>;
}

/** An older answer says little about whether the destination still answers. */
const FRESH_MS = 600_000;
const MOST = 64;

/**
 * The destinations in one family that answered clients lately, so that they can be asked when a WAN is in doubt. Bounded
 * fairly: where there are too many, the client with the most loses one of the network that it has the most of.
 */
export class Destinations {
  readonly #known = new Map<string, Known>();
  readonly #random: () => number;

  /** @param random returns 0 up to 1 */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  note(client: string, address: string, port: number, wan: string, now: number): void {
    const key = `${address} ${port}`;
    const byWan = new Map(this.#known.get(key)?.byWan).set(wan, now);
    // Moves the entry to the end, so that the oldest come first.
    this.#known.delete(key);
    this.#known.set(key, { address, port, network: networkOf(address), client, answeredAt: now, byWan });
    if (this.#known.size > MOST) this.#dropOne();
  }

  /**
   * Up to `most` destinations to ask about a WAN: first of different clients and networks, then of different networks,
   * then of different addresses. Those that the WAN itself reached lately are preferred, since one that never answered
   * it may refuse its address; so may those of a client that means harm, from some moment on. Therefore the one that
   * answered the WAN last comes first, and chance decides among the others.
   * @param asked networks that should rather not be asked again
   */
  pick(
    wan: string,
    most: number,
    now: number,
    asked: ReadonlySet<string> = new Set(),
  ): readonly Destination[] {
    const ordered = this.#ordered(wan, now, asked);
    const picked: Known[] = [];
    const differs = (one: Known, part: (one: Known) => string) =>
      picked.every((other) => part(other) !== part(one));
    for (const parts of PICKS) {
      for (const one of ordered) {
        if (picked.length < most && parts.every((part) => differs(one, part))) picked.push(one);
      }
    }
    return picked;
  }

  #ordered(wan: string, now: number, asked: ReadonlySet<string>): readonly Known[] {
    const reachedAt = ({ byWan }: Known) => byWan.get(wan) ?? Number.NEGATIVE_INFINITY;
    const fresh = [...this.#known.values()].filter(({ answeredAt }) => answeredAt > now - FRESH_MS);
    const last = Math.max(...fresh.map(reachedAt), now - FRESH_MS);
    const rankOf = (one: Known) => {
      const reached = reachedAt(one) > now - FRESH_MS ? 0 : 2;
      return reached + (asked.has(one.network) ? 1 : 0);
    };
    return fresh
      .map((one) => ({ one, rank: rankOf(one), order: reachedAt(one) === last ? -1 : this.#random() }))
      .sort((a, b) => a.rank - b.rank || a.order - b.order)
      .map(({ one }) => one);
  }

  #dropOne(): void {
    const all = [...this.#known];
    const ofClient = largestGroup(all, ([, { client }]) => client);
    const [oldest] = largestGroup(ofClient, ([, { network }]) => network);
    this.#known.delete(oldest![0]);
  }
}

const PICKS: readonly (readonly ((one: Known) => string)[])[] = [
  [({ client }) => client, ({ network }) => network],
  [({ network }) => network],
  [({ address }) => address],
];

function largestGroup<Item>(all: readonly Item[], key: (item: Item) => string): readonly Item[] {
  const groups = new Map<string, Item[]>();
  for (const item of all) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  let largest: readonly Item[] = [];
  for (const group of groups.values()) if (group.length > largest.length) largest = group;
  return largest;
}
