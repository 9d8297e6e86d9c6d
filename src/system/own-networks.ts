import { FAMILIES } from '../core/family.js';
import { KERNEL, type Kernel } from './rtnetlink/kernel.js';
import { RTN_UNICAST } from './rtnetlink/routes.js';

/** What this router can be reached at, and what lies behind it. */
export interface OwnNetworks {
  /** Every address of a device, whatever the device's state. */
  readonly addresses: readonly string[];
  /**
   * The networks that devices are on, those that the main table reaches by devices that are not WANs, and multicast
   * and broadcast. The router never balances what goes there.
   */
  readonly networks: readonly string[];
}

const NOT_UNICAST = ['224.0.0.0/4', '255.255.255.255', 'ff00::/8'];
/**
 * The shortest prefixes of a network. Shorter ones stand for the internet, as the two halves that a VPN sets in place of
 * a default route.
 */
const SHORTEST = { 4: 8, 6: 16 } as const;
/**
 * The pause after reading the routes, as a multiple of the time that it took: some 0.1 ms with a few routes, but 100 ms
 * with 15,000, for which packets wait.
 */
const PAUSE_FACTOR = 500;

/** Reads the router's own networks by rtnetlink, without starting a program. */
export class OwnNetworksReader {
  readonly #devices: readonly string[];
  readonly #kernel: Kernel;
  readonly #now: () => number;
  #routed: readonly string[] = [];
  #notBefore = Number.NEGATIVE_INFINITY;

  /** @param devices the WANs' devices */
  constructor(devices: readonly string[], kernel = KERNEL, now = () => performance.now()) {
    this.#devices = devices;
    this.#kernel = kernel;
    this.#now = now;
  }

  /** The networks as they are now; undefined when the kernel does not answer. Routes may be older where many are. */
  read(): OwnNetworks | undefined {
    try {
      this.#readRoutes();
      const all = FAMILIES.flatMap((family) => this.#kernel.addresses(family));
      const direct = all
        .filter(({ family, prefixLength }) => prefixLength >= SHORTEST[family])
        .map(({ local, peer, prefixLength }) => `${peer ?? local}/${prefixLength}`);
      const addresses = all.map(({ local }) => local);
      return {
        addresses: unique(addresses),
        networks: unique([...NOT_UNICAST, ...addresses, ...direct, ...this.#routed]),
      };
    } catch {
      return undefined;
    }
  }

  #readRoutes(): void {
    const start = this.#now();
    if (start < this.#notBefore) return;
    const links = this.#kernel.links().filter(({ name }) => this.#devices.includes(name));
    const wans = new Set(links.map(({ index }) => index));
    this.#routed = FAMILIES.flatMap((family) =>
      this.#kernel
        .main(family)
        .filter(({ type, hops }) => type === RTN_UNICAST && hops.every(({ index }) => !wans.has(index)))
        .map(({ dst }) => dst)
        .filter((dst) => dst !== 'default' && prefixOf(dst) >= SHORTEST[family]),
    );
    const end = this.#now();
    this.#notBefore = end + PAUSE_FACTOR * (end - start);
  }
}

/** The prefix length of a destination; an address without one counts as the longest. */
function prefixOf(dst: string): number {
  const slash = dst.indexOf('/');
  return slash < 0 ? 128 : Number(dst.slice(slash + 1));
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}
