import { FAMILIES, type Family } from '../core/family.js';
import { MAIN_TABLE, type NewsItem } from './news.js';
import type { InterfaceAddress } from './rtnetlink/addresses.js';
import type { Kernel, LongAnswers } from './rtnetlink/kernel.js';
import type { Link } from './rtnetlink/links.js';
import type { Route } from './rtnetlink/routes.js';
import type { Rule } from './rtnetlink/rules.js';

/** What is remembered, by its name and, but for devices, its family. */
type Key = 'links' | `${'addresses' | 'main' | 'rules'}${Family}`;
const KEYS: readonly Key[] = [
  'links',
  ...FAMILIES.flatMap((family) => [`addresses${family}`, `main${family}`, `rules${family}`] as const),
];

/**
 * How long after news of a device, an address or a nexthop nothing that is read is remembered: the kernel tells of them
 * before it takes away, without a word, the IPv4 routes that go with them (dev_close_many, fib_flush).
 */
const UNSETTLED_MS = 1000;

interface Remembered {
  readonly answer: Promise<unknown>;
  /** Whether the answer holds until news say otherwise: false within {@link UNSETTLED_MS} of news of a device. */
  readonly isSettled: boolean;
}

/**
 * What the kernel has told, for as long as no news say that it may be otherwise: a machine with thousands of routes and
 * devices is read again only as far as something has changed. An answer that holds is the same object as before.
 *
 * The caller must pass on all news of rules, routes, addresses, links and nexthops, and look again after them: a change
 * that happens while a snapshot is made may be missing from it.
 */
export class KernelMemory {
  readonly #kernel: Kernel;
  readonly #long: LongAnswers;
  readonly #now: () => number;
  readonly #known = new Map<Key, Remembered>();
  #unsettledUntil = Number.NEGATIVE_INFINITY;

  constructor(kernel: Kernel, long: LongAnswers, now: () => number = () => performance.now()) {
    this.#kernel = kernel;
    this.#long = long;
    this.#now = now;
  }

  /** Forgets what may be otherwise by these news. */
  hear(news: readonly NewsItem[]): void {
    for (const item of news) {
      for (const key of KEYS) if (concerns(item, key)) this.#known.delete(key);
      if (item.kind !== 'route' && item.kind !== 'rule') this.#unsettledUntil = this.#now() + UNSETTLED_MS;
    }
  }

  /** Forgets everything. */
  forget(): void {
    this.#known.clear();
  }

  /**
   * The kernel as it is now. Its long answers have been read, without holding the event loop up; the others are asked
   * for.
   * @throws Error with `errno`
   */
  async snapshot(): Promise<Kernel> {
    const long = this.#long;
    const links = await this.#read('links', () => long.links());
    const addresses = await this.#readBoth<InterfaceAddress>('addresses', (family) => long.addresses(family));
    const main = await this.#readBoth<Route>('main', (family) => long.main(family));
    const rules = await this.#readBoth<Rule>('rules', (family) => long.rules(family));
    return {
      ...this.#kernel,
      links: () => links as readonly Link[],
      addresses: (family) => addresses[family],
      main: (family) => main[family],
      rules: (family) => rules[family],
    };
  }

  async #readBoth<T>(
    name: 'addresses' | 'main' | 'rules',
    read: (family: Family) => Promise<readonly T[]>,
  ): Promise<Record<Family, readonly T[]>> {
    // One after the other: they share few threads with others who wait for the kernel.
    const four = await this.#read(`${name}4`, () => read(4));
    return { 4: four, 6: await this.#read(`${name}6`, () => read(6)) };
  }

  async #read<T>(key: Key, read: () => Promise<T>): Promise<T> {
    const known = this.#known.get(key);
    if (known?.isSettled === true) return known.answer as Promise<T>;
    const answer = read();
    // It is there from the beginning, so that news that come while it is read forget it.
    this.#known.set(key, { answer, isSettled: this.#now() >= this.#unsettledUntil });
    try {
      return await answer;
    } catch (error) {
      if (this.#known.get(key)?.answer === answer) this.#known.delete(key);
      throw error;
    }
  }
}

/** Whether an answer may be otherwise after a change. */
function concerns(item: NewsItem, key: Key): boolean {
  switch (item.kind) {
    case 'route':
      return item.table === MAIN_TABLE && key === `main${item.family}`;
    case 'rule':
      return key.startsWith('rules');
    case 'nexthop':
      return key.startsWith('main');
    case 'address':
      return key.startsWith('addresses') || key.startsWith('main');
    default:
      // Whatever has a device, or is unknown.
      return true;
  }
}
