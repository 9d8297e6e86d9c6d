/** A piece of news about a device itself or its addresses, as `ip -N monitor label` writes it. */
const NEWS = /^\[(?:LINK|ADDR)\](?:Deleted )?\d+: ([^:@\s]+)/;

/**
 * Which devices went, came or changed their addresses, and when. The kernel itself takes the routes by such a device away,
 * in IPv4 without a word, so what is missing there was nobody's doing.
 */
export class TouchedDevices {
  readonly #at = new Map<string, number>();
  #rest = '';

  /** Takes in what `ip monitor` wrote. */
  hear(news: string, now: number): void {
    const lines = (this.#rest + news).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const device = NEWS.exec(line)?.[1];
      if (device !== undefined) this.#at.set(device, now);
    }
  }

  /** Whether any did. */
  since(time: number): boolean {
    return [...this.#at.values()].some((at) => at >= time);
  }

  /** Whether what a script calls missing, a route or a device's sysctl, belongs to a device that changed since. */
  explains(missing: string, since: number): boolean {
    const device = / dev (\S+)/.exec(missing)?.[1] ?? /^sysctl \S+ of (\S+)/.exec(missing)?.[1];
    const at = device === undefined ? undefined : this.#at.get(device);
    return at !== undefined && at >= since;
  }
}
