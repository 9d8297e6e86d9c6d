/** News that a device went or was switched off, or lost an address, as `ip monitor label` writes them. */
const LINK = /^\[LINK\](Deleted )?\d+: ([^:@\s]+)[^<]*<([^>]*)>/;
const ADDRESS_GONE = /^\[ADDR\]Deleted \d+: (\S+)/;

/**
 * Which of the WANs' devices went, were switched off or lost an address, and when. The kernel itself takes away the routes
 * by such a device, in IPv4 without a word, so what is missing there was nobody's doing.
 */
export class TouchedDevices {
  readonly #devices: ReadonlySet<string>;
  readonly #at = new Map<string, number>();
  #rest = '';

  constructor(devices: readonly string[]) {
    this.#devices = new Set(devices);
  }

  /** Takes in what `ip monitor` wrote. @returns whether it tells of one of them */
  hear(news: string, now: number): boolean {
    const lines = (this.#rest + news).split('\n');
    this.#rest = lines.pop()!;
    const lost = lines.map(lostDevice).filter((device) => device !== undefined && this.#devices.has(device));
    for (const device of lost) this.#at.set(device!, now);
    return lost.length > 0;
  }

  /** Those that did. */
  since(time: number): readonly string[] {
    return [...this.#at].filter(([, at]) => at >= time).map(([device]) => device);
  }

  /** Whether what a script calls missing, a route or a device's sysctl, belongs to one that did since. */
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
