import type { NewsItem } from '../system/news.js';

/**
 * Remembers which WAN devices went, were switched off or lost an address, and when. The kernel then removes the routes
 * by the device, in IPv4 without telling, so nobody else is to blame when they are missing.
 */
export class TouchedDevices {
  readonly #devices: ReadonlySet<string>;
  readonly #at = new Map<string, number>();

  constructor(devices: readonly string[]) {
    this.#devices = new Set(devices);
  }

  /** Takes in news. @returns whether they tell that a WAN's device lost something */
  hear(items: readonly NewsItem[], now: number): boolean {
    const lost = items.flatMap((item) =>
      (item.kind === 'link' || item.kind === 'address') && item.lost && this.#devices.has(item.device)
        ? [item.device]
        : [],
    );
    for (const device of lost) this.#at.set(device, now);
    return lost.length > 0;
  }

  /** The devices touched since a time. */
  since(time: number): readonly string[] {
    return [...this.#at].filter(([, at]) => at >= time).map(([device]) => device);
  }

  /** Whether a missing route or device sysctl belongs to a device that was touched since a time. */
  explains(missing: string, since: number): boolean {
    const device = / dev (\S+)/.exec(missing)?.[1] ?? /^sysctl \S+ of (\S+)/.exec(missing)?.[1];
    const at = device === undefined ? undefined : this.#at.get(device);
    return at !== undefined && at >= since;
  }
}
