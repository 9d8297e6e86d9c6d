import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Family } from '../../core/family.js';

/** The addresses of a name in one family; none when it has none there. Rejects when nobody can say. */
export type Resolve = (name: string, family: Family) => Promise<readonly string[]>;

/** Answers that mean "no such address", not "cannot say". */
const NONE = new Set(['ENODATA', 'ENOTFOUND']);

/**
 * Asks the name servers of resolv.conf. By c-ares, for getaddrinfo(3) would hold one of the few threads of libuv's
 * pool for seconds, and conntrack look-ups and files wait for those.
 */
export const resolveName: Resolve = async (name, family) => {
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  try {
    return await (family === 4 ? resolver.resolve4(name) : resolver.resolve6(name));
  } catch (error) {
    if (NONE.has((error as { code?: string }).code ?? '')) return [];
    throw error;
  }
};

interface Known {
  readonly addresses: readonly string[];
  readonly at: number;
}

/**
 * Remembers addresses, so that checks do not ask for the same name each round, and go on with the last answer while
 * the router's own resolver is away: that is no fault of the WAN which is probed.
 */
export class NameCache {
  readonly #resolve: Resolve;
  readonly #clock: () => number;
  readonly #freshMs: number;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<readonly string[]>>();

  constructor(
    resolve: Resolve = resolveName,
    clock: () => number = () => performance.now(),
    freshMs = 60_000,
  ) {
    this.#resolve = resolve;
    this.#clock = clock;
    this.#freshMs = freshMs;
  }

  /** An address is its own. Rejects when the name was never resolved and cannot be now. */
  async addresses(name: string, family: Family): Promise<readonly string[]> {
    const literal = isIP(name);
    if (literal !== 0) return literal === family ? [name] : [];
    const key = `${family} ${name}`;
    const known = this.#known.get(key);
    if (known !== undefined && this.#clock() - known.at < this.#freshMs) return known.addresses;
    try {
      return await this.#ask(key, name, family);
    } catch (error) {
      if (known !== undefined) return known.addresses;
      throw error;
    }
  }

  #ask(key: string, name: string, family: Family): Promise<readonly string[]> {
    const asking = this.#asking.get(key);
    if (asking !== undefined) return asking;
    const answer = this.#resolve(name, family)
      .then((addresses) => {
        this.#known.set(key, { addresses, at: this.#clock() });
        return addresses;
      })
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, answer);
    return answer;
  }
}
