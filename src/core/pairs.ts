/** How long a host keeps its WAN after its last new connection: a night is enough for everything to begin anew. */
const KEPT_MS = 3_600_000;
/** More hosts than a network of one router has; beyond that the one is forgotten that was quiet for longest. */
const MOST = 65_536;

/**
 * The target that each host has, by its MAC address, so that its IPv4 and its IPv6 connections go by the same one. In
 * memory only, since a daemon that starts anew finds another pair in moments.
 */
export class Pairs {
  readonly #now: () => number;
  readonly #most: number;
  /** In the order of the last use. */
  readonly #kept = new Map<number, { readonly name: string; readonly at: number }>();

  /** @param now milliseconds, never going back */
  constructor(now: () => number, most = MOST) {
    this.#now = now;
    this.#most = most;
  }

  /** The name of the host's target; undefined where it has none, or has been quiet for an hour. */
  of(mac: number): string | undefined {
    const kept = this.#kept.get(mac);
    return kept !== undefined && this.#now() - kept.at < KEPT_MS ? kept.name : undefined;
  }

  /** Notes that a host's new connection goes by a target. */
  note(mac: number, name: string): void {
    this.#kept.delete(mac);
    this.#kept.set(mac, { name, at: this.#now() });
    if (this.#kept.size <= this.#most) return;
    const [oldest] = this.#kept.keys();
    this.#kept.delete(oldest!);
  }
}
