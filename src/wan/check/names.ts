import { isIP } from 'node:net';
import { type CheckPath, type CheckResult, probe } from './check.js';
import { resolveBy } from './resolve.js';

/**
 * Resolves a name to its addresses of the path's family, which may be none. Rejects when no name server can tell.
 */
export type Resolve = (name: string, path: CheckPath) => Promise<readonly string[]>;

interface Known {
  readonly addresses: readonly string[];
  readonly at: number;
}

/**
 * Remembers the addresses that names have by each WAN, so that checks do not resolve them each round, and continue with
 * the last answer while no name server can tell, which may be nobody's fault but theirs.
 */
export class NameCache {
  readonly #resolve: Resolve;
  readonly #clock: () => number;
  readonly #freshMs: number;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<readonly string[]>>();

  constructor(resolve: Resolve = resolveBy, clock: () => number = () => performance.now(), freshMs = 60_000) {
    this.#resolve = resolve;
    this.#clock = clock;
    this.#freshMs = freshMs;
  }

  /** The addresses of a name, or of an address itself. Rejects when the name cannot be resolved and never was. */
  async addresses(name: string, path: CheckPath): Promise<readonly string[]> {
    const literal = isIP(name);
    if (literal !== 0) return literal === path.family ? [name] : [];
    const key = keyOf(name, path);
    const known = this.#known.get(key);
    if (known !== undefined && this.#clock() - known.at < this.#freshMs) return known.addresses;
    try {
      return await this.#ask(key, name, path);
    } catch (error) {
      if (known !== undefined) return known.addresses;
      throw error;
    }
  }

  /** To be called when an address of the name did not answer: it is resolved again before it is used again. */
  doubt(name: string, path: CheckPath): void {
    const known = this.#known.get(keyOf(name, path));
    if (known !== undefined) this.#known.set(keyOf(name, path), { ...known, at: Number.NEGATIVE_INFINITY });
  }

  #ask(key: string, name: string, path: CheckPath): Promise<readonly string[]> {
    const asking = this.#asking.get(key);
    if (asking !== undefined) return asking;
    const answer = this.#resolve(name, path)
      .then((addresses) => {
        this.#known.set(key, { addresses, at: this.#clock() });
        return addresses;
      })
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, answer);
    return answer;
  }
}

function keyOf(name: string, { wan, family }: CheckPath): string {
  return `${wan}/${family} ${name}`;
}

/**
 * Probes an address of a name. The name must be known within the time limit, which then begins anew for the probe. A name
 * that cannot be resolved says nothing about the WAN; neither does one without an address of the family.
 * @param ask probes an address
 */
export async function probeByName(
  names: NameCache,
  name: string,
  {
    path,
    timeoutMs,
    signal,
  }: { readonly path: CheckPath; readonly timeoutMs: number; readonly signal: AbortSignal },
  ask: (address: string) => Promise<CheckResult>,
): Promise<CheckResult> {
  let addresses: readonly string[] | undefined;
  const found = await probe(timeoutMs, signal, (settle) => {
    names.addresses(name, path).then(
      (those) => {
        addresses = those;
        settle({ ok: true, why: '' });
      },
      () => settle({ ok: false, why: 'timeout' }),
    );
    return undefined;
  });
  if (found.inconclusive) return found;
  if (!found.ok || addresses === undefined)
    return { ok: false, why: `cannot resolve ${name}`, inconclusive: true };
  const [address] = addresses;
  if (address === undefined)
    return { ok: false, why: `${name} has no IPv${path.family} address`, inconclusive: true };
  const result = await ask(address);
  if (!result.ok && !result.inconclusive) names.doubt(name, path);
  return result;
}
