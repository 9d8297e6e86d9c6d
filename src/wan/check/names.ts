import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Family } from '../../core/family.js';

/** Resolves a name to its addresses of one family, which may be none. Rejects when no name server can tell. */
export type Resolve = (name: string, family: Family) => Promise<readonly string[]>;

/** Errors that mean "no such address", and not "cannot tell". */
const NONE = new Set(['ENODATA', 'ENOTFOUND']);

/**
 * Asks the name servers of resolv.conf, with c-ares: getaddrinfo(3) would hold one of the few threads of libuv's pool
 * for seconds, and conntrack look-ups and file reads need those threads.
 */
const resolveName: Resolve = async (name, family) => {
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
 * Remembers addresses, so that checks do not resolve the same name each round, and continue with the last answer while
 * the router's own resolver fails, which is not the fault of the probed WAN.
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

  /** The addresses of a name, or of an address itself. Rejects when the name cannot be resolved and never was. */
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
