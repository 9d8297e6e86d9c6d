import type { Logger } from 'pino';
import type { CheckConfig } from '../config/check.js';
import { lookup } from '../conntrack/requests.js';
import type { Flow } from '../core/flow.js';
import type { MarkField } from '../core/mark.js';
import { carries, type Wan } from '../core/wan.js';
import { IpMonitor } from '../system/ip-monitor.js';
import { type Links, readLinks } from '../system/links.js';
import { systemClock } from '../wan/clock.js';
import { Health, type HealthChange, type HealthState } from '../wan/health.js';
import { Monitor } from '../wan/monitor.js';
import { PassiveWatch } from '../wan/passive/watch.js';
import { linkVerdict, pathOf, wayOf } from '../wan/uplink.js';

/** Should `ip monitor` have lost something. A look takes a millisecond, for which packets wait. */
const LOOK_MS = 2000;
/** When it has ended. */
const ALONE_LOOK_MS = 500;
/** Where routes change all day, looking takes a fifth of the time. */
const PAUSE_FACTOR = 4;
const FAMILIES = [4, 6] as const;

/** A change of state, and how long the state before it lasted. */
export interface UplinkChange extends HealthChange {
  /** Milliseconds; of the first change since the start of the watch. */
  readonly lastedMs: number;
}

export interface UplinksParts {
  readonly wans: readonly Wan[];
  readonly field: MarkField;
  readonly checks: readonly CheckConfig[];
  readonly logger: Logger;
  readonly onChange: (change: UplinkChange) => void;
  /** See {@link HealthOptions}. */
  readonly upAfterMs: number;
  /** Told at each look; the first is in the constructor. */
  readonly onLinks?: (links: Links) => void;
  /** Told when a WAN's device, address or gateway is another one than at the last look. */
  readonly onMoved?: () => void;
  readonly links?: () => Links;
  /** A WAN's weight of the moment; by default the configured one. */
  readonly weight?: (wan: Wan) => number;
}

/** Knows whether each WAN works: by its device, by the checks, and by what becomes of the connections it is given. */
export class Uplinks {
  readonly #parts: UplinksParts;
  readonly #clock = systemClock;
  readonly #health: Health;
  readonly #monitor: Monitor;
  readonly #passive: PassiveWatch;
  #news: IpMonitor | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #readLinks: () => Links;
  #links: Links;
  /** Whose device is down, as `FAMILY NAME`. */
  readonly #dead = new Set<string>();
  readonly #startedAt = this.#clock.now();
  /** When the state last changed, as `FAMILY NAME`; what never changed is as it was at the start. */
  readonly #turned = new Map<string, number>();
  /** By the same key, what {@link wayOf} said at the last look, and since when. */
  readonly #ways = new Map<string, { way: string; since: number }>();
  #nextLook: NodeJS.Timeout | undefined;
  #notBefore = 0;

  /** Has told of the devices that are down when it returns, and looks at them again now and then. */
  constructor(parts: UplinksParts) {
    this.#parts = parts;
    const { wans, checks, field } = parts;
    this.#readLinks = parts.links ?? readLinks;
    this.#links = this.#readLinks();
    this.#health = new Health(
      (change) => {
        if (change.up) this.#passive.restart(change.wan, change.family);
        parts.onChange({ ...change, lastedMs: this.#turn(change) });
      },
      { upAfterMs: parts.upAfterMs, taking: (family) => this.#taking(family) },
    );
    const named = (name: string) => wans.find((one) => one.name === name)!;
    const path = (name: string, family: 4 | 6) => {
      const wan = named(name);
      const shared = wans.some((one) => one !== wan && one.dev === wan.dev);
      return pathOf(wan, family, this.#links, field.encode(wan.mark), shared);
    };
    const names = wans.map((wan) => wan.name);
    this.#monitor = new Monitor({ wans: names, checks, health: this.#health, path, clock: this.#clock });
    this.#passive = new PassiveWatch({
      lookup: async (tuple, name) => {
        const entry = await lookup(tuple);
        return entry !== undefined && field.decode(entry.mark) === named(name).mark ? entry : undefined;
      },
      clock: this.#clock,
      available: (family) => this.#available(family),
      onSuspicion: (wan, family, suspicion) => {
        const verdict = suspicion && { up: false, reason: suspicion.reason, trial: true as const };
        this.#health.report(wan, family, 'passive', verdict, this.#clock.now());
        this.#monitor.awaitHolds();
      },
    });
    this.#look();
    this.#lookEvery(LOOK_MS);
  }

  /** Hears of changes at once from now on: starts a program, for which decisions wait. */
  begin(): void {
    this.#news = new IpMonitor(
      ['link', 'address', 'route'],
      () => this.#lookSoon(),
      () => {
        this.#parts.logger.warn('ip monitor ended; a lost carrier is noticed up to half a second later');
        this.#lookEvery(ALONE_LOOK_MS);
      },
    );
    // At what has changed since the first one.
    this.#lookSoon();
  }

  /** A new connection was given to `wan`; cheap for those that are no sample. */
  decided(wan: Wan, flow: Flow): void {
    const { family, proto } = flow;
    if (!this.#passive.wants(wan.name, family, proto)) return;
    const { src, dst, sport, dport } = flow;
    this.#passive.decided(wan.name, { family: family as 4 | 6, proto, src, dst, sport, dport });
  }

  /**
   * Calls a WAN down in all that it carries, whatever is found of it; or leaves it to what is found again: then it is up at
   * once, unless something else calls it down.
   */
  setDown(wan: Wan, down: boolean): void {
    const now = this.#clock.now();
    for (const family of FAMILIES.filter((one) => carries(wan, one))) {
      if (down) {
        const verdict = { up: false, reason: 'set down by hand', wished: true };
        this.#health.report(wan.name, family, 'set', verdict, now);
      } else {
        this.#health.release(wan.name, family, 'set', now);
      }
    }
    this.#monitor.awaitHolds();
  }

  state(wan: Wan, family: 4 | 6): HealthState {
    return this.#health.state(wan.name, family);
  }

  /**
   * What the rules cannot use is not chosen either: its table leads nowhere.
   * @param wans as `fibre/4`
   * @param asOf when that was looked at, on the system clock; what has changed since has to be looked at again
   */
  unusable(wans: ReadonlySet<string>, asOf: number): void {
    const now = this.#clock.now();
    for (const wan of this.#parts.wans) {
      for (const family of FAMILIES) {
        const key = `${family} ${wan.name}`;
        const news = wans.has(`${wan.name}/${family}`) && !this.#dead.has(key);
        if (news && this.#ways.get(key)!.since > asOf) continue;
        const reason = `the rules have no IPv${family} route by device ${wan.dev}`;
        this.#health.report(wan.name, family, 'rules', news ? { up: false, reason } : undefined, now);
      }
    }
    this.#monitor.awaitHolds();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#nextLook);
    this.#news?.stop();
    this.#passive.stop();
    await this.#monitor.stop();
  }

  /** At once, unless routes change all day. */
  #lookSoon(): void {
    const waitMs = this.#notBefore - performance.now();
    if (waitMs <= 0) this.#look();
    else this.#nextLook ??= setTimeout(() => this.#look(), waitMs);
  }

  #lookEvery(ms: number): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#look(), ms);
    this.#timer.unref();
  }

  #look(): void {
    clearTimeout(this.#nextLook);
    this.#nextLook = undefined;
    const start = performance.now();
    this.#links = this.#readLinks();
    this.#parts.onLinks?.(this.#links);
    this.#judge();
    const end = performance.now();
    this.#notBefore = end + PAUSE_FACTOR * (end - start);
  }

  #judge(): void {
    const now = this.#clock.now();
    let moved = false;
    for (const wan of this.#parts.wans) {
      for (const family of FAMILIES) {
        const verdict = linkVerdict(wan, family, this.#links);
        const key = `${family} ${wan.name}`;
        const way = wayOf(wan, family, this.#links);
        const before = this.#ways.get(key);
        if (before?.way !== way) {
          this.#ways.set(key, { way, since: now });
          moved ||= before !== undefined;
        }
        // That it is up is worth a word only after it was not: what the checks find says more.
        if (verdict === undefined || (verdict.up && !this.#dead.delete(key))) continue;
        if (!verdict.up) this.#dead.add(key);
        this.#health.report(wan.name, family, 'link', verdict, now);
      }
    }
    if (moved) this.#parts.onMoved?.();
    this.#monitor.awaitHolds();
  }

  /** @returns the milliseconds that the state before lasted */
  #turn({ wan, family, since }: HealthChange): number {
    const key = `${family} ${wan}`;
    const lastedMs = since - (this.#turned.get(key) ?? this.#startedAt);
    this.#turned.set(key, since);
    return lastedMs;
  }

  /** Those that are up for all that the checks and the devices know. */
  #available(family: 4 | 6): readonly string[] {
    return this.#taking(family).filter((name) => this.#health.upWithout('passive', name, family));
  }

  /** The names of those that are to have new connections when they are up. */
  #taking(family: 4 | 6): readonly string[] {
    const { wans, weight = (wan) => wan.weight } = this.#parts;
    return wans.filter((wan) => weight(wan) > 0 && carries(wan, family)).map((wan) => wan.name);
  }
}
