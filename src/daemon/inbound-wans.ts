import type { Wan } from '../core/wan.js';
import type { Links } from '../system/links.js';
import type { Inbound } from './decider.js';

/**
 * The WAN of each interface index. A device that several WANs share is left out, since it does not tell which one it
 * was.
 */
export class InboundWans implements Inbound {
  readonly #alone: readonly Wan[];
  #byIndex: ReadonlyMap<number, Wan> = new Map();

  constructor(wans: readonly Wan[]) {
    this.#alone = wans.filter((wan) => wans.every((other) => other === wan || other.dev !== wan.dev));
  }

  /** To be called whenever devices may have gone and come back under another index. */
  update(links: Pick<Links, 'index'>): void {
    this.#byIndex = new Map(this.#alone.map((wan) => [links.index(wan.dev), wan]));
  }

  get(ifindex: number): Wan | undefined {
    // 0 is the index of a missing device, and of the router's own packets.
    return ifindex === 0 ? undefined : this.#byIndex.get(ifindex);
  }
}
