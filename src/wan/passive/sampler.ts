/** How many are offered between two takes without a choice before; 25 ms, or more than 2,000 a second. */
const ALL_OF = 64;
/** Of more, one in so many is: offering costs most of what a decision costs this thread, and few are taken. */
const ONE_IN = 8;

interface Network<Item> {
  seen: number;
  readonly items: Item[];
}

interface Client<Item> {
  size: number;
  readonly networks: Map<number, Network<Item>>;
}

/**
 * Takes a part of what comes, fairly: as many of each client, and for one client as many of each destination network,
 * so that a client that makes thousands of connections cannot be all that is looked at. Within one client and network
 * each has the same chance (a reservoir, Vitter's algorithm R).
 *
 * It refills by a rate and saves up what is not used for a second.
 */
export class Sampler<Item> {
  readonly #perSecond: number;
  readonly #random: () => number;
  #clients = new Map<number, Client<Item>>();
  #size = 0;
  #passed = 0;
  #tokens: number;
  #refilledAt: number | undefined;

  /** @param random returns 0 up to 1 */
  constructor(perSecond: number, random: () => number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#random = random;
  }

  /** Whether one that comes now is to be offered. Asked once for each. */
  wants(): boolean {
    const passed = this.#passed++;
    return passed < ALL_OF || passed % ONE_IN === 0;
  }

  /**
   * Offers one.
   * @param client a number that tells clients apart
   * @param network a number that tells destination networks apart
   * @param make called only when it is taken; it may be dropped again later
   */
  add(client: number, network: number, make: () => Item): void {
    const ofClient = entryOf(this.#clients, client, (): Client<Item> => ({ size: 0, networks: new Map() }));
    const ofNetwork = entryOf(ofClient.networks, network, (): Network<Item> => ({ seen: 0, items: [] }));
    ofNetwork.seen++;
    if (this.#size < Math.floor(this.#tokens)) this.#size++;
    else {
      const loser = this.#loser(ofClient, ofNetwork);
      if (loser === undefined) return;
      this.#dropOne(loser);
    }
    ofNetwork.items.push(make());
    ofClient.size++;
  }

  /** All that was taken since the last call. */
  take(now: number): Item[] {
    const all: Item[] = [];
    for (const { networks } of this.#clients.values()) {
      for (const { items } of networks.values()) all.push(...items);
    }
    const passedMs = Math.min(1000, now - (this.#refilledAt ?? now));
    const refilled = this.#tokens - all.length + (this.#perSecond * passedMs) / 1000;
    this.#tokens = Math.min(this.#perSecond, refilled);
    this.#refilledAt = now;
    this.#clients = new Map();
    this.#size = 0;
    this.#passed = 0;
    return all;
  }

  /** Who loses one so that another of `network` can be taken; undefined when it is not taken. */
  #loser(client: Client<Item>, network: Network<Item>): [Client<Item>, Network<Item>] | undefined {
    const most = this.#largest(this.#clients.values(), ({ size }) => size);
    if (most === undefined) return undefined;
    if (client.size + 1 < most.size) return [most, this.#largestNetwork(most)];
    if (client.size === 0) {
      // There are more clients than places, so each client has the same chance.
      return this.#draws(this.#size, this.#clients.size) ? [most, this.#largestNetwork(most)] : undefined;
    }
    const wide = this.#largestNetwork(client);
    if (network.items.length + 1 < wide.items.length) return [client, wide];
    if (network.items.length === 0) {
      return this.#draws(client.size, client.networks.size) ? [client, wide] : undefined;
    }
    return this.#draws(network.items.length, network.seen) ? [client, network] : undefined;
  }

  #largestNetwork({ networks }: Client<Item>): Network<Item> {
    return this.#largest(networks.values(), ({ items }) => items.length)!;
  }

  /** One of the largest, by chance: the first one would lose all that it has whenever all are equal. */
  #largest<Value>(all: Iterable<Value>, size: (value: Value) => number): Value | undefined {
    let found: Value | undefined;
    let equals = 0;
    for (const one of all) {
      const difference = found === undefined ? 1 : size(one) - size(found);
      equals = difference > 0 ? 1 : equals + (difference === 0 ? 1 : 0);
      if (difference > 0 || (difference === 0 && this.#draws(1, equals))) found = one;
    }
    return found;
  }

  #draws(places: number, seen: number): boolean {
    return this.#random() * seen < places;
  }

  #dropOne([client, { items }]: [Client<Item>, Network<Item>]): void {
    items.splice(Math.floor(this.#random() * items.length), 1);
    client.size--;
  }
}

function entryOf<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
