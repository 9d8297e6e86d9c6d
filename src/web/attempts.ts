import { isIPv6 } from 'node:net';

/** After the first wrong try of somebody the next has to wait for this, after each further one for twice as long. */
const FIRST_MS = 1000;
const MOST_MS = 60_000;
/** An address from which nobody has tried for this long begins anew. */
const FORGIVEN_MS = 600_000;
/** How many addresses are remembered; the one whose last try is longest ago goes first. */
const MOST = 1024;

interface Tries {
  readonly waitMs: number;
  readonly lastAt: number;
}

/**
 * Slows down those who try wrong tokens: before its wait is over, nothing that comes from an address is compared. An IPv6 host
 * has its whole /64 to try from, so that counts as one.
 */
export class Attempts {
  readonly #now: () => number;
  readonly #tries = new Map<string, Tries>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** For how many milliseconds the next try of an address has to wait; 0 where it may be made. */
  waitMs(address: string): number {
    const tries = this.#tries.get(keyOf(address));
    return tries === undefined ? 0 : Math.max(0, tries.lastAt + tries.waitMs - this.#now());
  }

  /** Notes a wrong try. */
  wrong(address: string): void {
    const key = keyOf(address);
    const now = this.#now();
    const before = this.#tries.get(key);
    const goesOn = before !== undefined && now - before.lastAt < FORGIVEN_MS;
    this.#tries.delete(key);
    this.#tries.set(key, {
      waitMs: goesOn ? Math.min(MOST_MS, 2 * before.waitMs) : FIRST_MS,
      lastAt: now,
    });
    if (this.#tries.size > MOST) this.#tries.delete(this.#tries.keys().next().value!);
  }

  /** Notes a right one. */
  right(address: string): void {
    this.#tries.delete(keyOf(address));
  }
}

function keyOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = ''] = address.split('::');
  return head.split(':').slice(0, 4).join(':');
}
