import { FAMILIES, type Family } from '../core/family.js';
import { carries, type Wan } from '../core/wan.js';
import type { Links } from '../system/links.js';
import type { Inbound } from './decider.js';

/**
 * The WAN of each interface index and family. A device that several WANs of a family share is left out, since it does not
 * tell which one it was.
 */
export class InboundWans implements Inbound {
  readonly #alone: Readonly<Record<Family, readonly Wan[]>>;
  readonly #byIndex: Record<Family, ReadonlyMap<number, Wan>> = { 4: new Map(), 6: new Map() };

  constructor(wans: readonly Wan[]) {
    const alone = (family: Family) => {
      const those = wans.filter((wan) => carries(wan, family));
      return those.filter((wan) => those.every((other) => other === wan || other.dev !== wan.dev));
    };
    this.#alone = { 4: alone(4), 6: alone(6) };
  }

  /** To be called whenever devices may have gone and come back under another index. */
  update(links: Pick<Links, 'index'>): void {
    for (const family of FAMILIES)
      this.#byIndex[family] = new Map(this.#alone[family].map((wan) => [links.index(wan.dev), wan]));
  }

  /** The indexes of all devices that tell a WAN. */
  indexes(): number[] {
    const all = FAMILIES.flatMap((family) => [...this.#byIndex[family].keys()]);
    // 0 is the index of a missing device, and of the router's own packets.
    return [...new Set(all)].filter((index) => index !== 0);
  }

  get(ifindex: number, family: number): Wan | undefined {
    // 0 is the index of a missing device, and of the router's own packets.
    return ifindex === 0 ? undefined : this.#byIndex[family === 6 ? 6 : 4].get(ifindex);
  }
}
