/** A line of `ip monitor label` about a link: whether it was deleted, its name and its flags. */
const LINK = /^\[LINK\](Deleted )?\d+: ([^:@\s]+)[^<]*<([^>]*)>/;
const ADDRESS_GONE = /^\[ADDR\]Deleted \d+: (\S+)/;

/**
 * Remembers which WAN devices went, were switched off or lost an address, and when. The kernel then removes the routes
 * by the device, in IPv4 without telling, so nobody else is to blame when they are missing.
 */
export class TouchedDevices {
  readonly #devices: ReadonlySet<string>;
  readonly #at = new Map<string, number>();
  #rest = '';

  constructor(devices: readonly string[]) {
    this.#devices = new Set(devices);
  }

  /** Takes in output of `ip monitor`. @returns whether it tells of a WAN's device */
  hear(news: string, now: number): boolean {
    const lines = (this.#rest + news).split('\n');
    this.#rest = lines.pop()!;
    const lost = lines.map(lostDevice).filter((device) => device !== undefined && this.#devices.has(device));
    for (const device of lost) this.#at.set(device!, now);
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

function lostDevice(line: string): string | undefined {
  const link = LINK.exec(line);
  if (link === null) return ADDRESS_GONE.exec(line)?.[1];
  const [, deleted, device, flags] = link;
  return deleted !== undefined || !flags!.split(',').includes('UP') ? device : undefined;
}
