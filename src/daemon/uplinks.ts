import { isIP } from 'node:net';
import type { Logger } from 'pino';
import { type HealthConfig, startsDown } from '../config/health.js';
import type { Family } from '../core/family.js';
import type { Flow } from '../core/flow.js';
import type { MarkField } from '../core/mark.js';
import type { States } from '../core/states.js';
import { type TargetId, targetId } from '../core/target.js';
import type { Tuple } from '../core/tuple.js';
import { carries, type Wan, wanTarget } from '../core/wan.js';
import type { Links } from '../system/links.js';
import type { RunProgram } from '../system/programs.js';
import type { Verdict } from '../wan/check-health.js';
import { type Clock, systemClock } from '../wan/clock.js';
import { type Finding, Health, type HealthChange, type HealthMemory } from '../wan/health.js';
import { type CheckReport, Monitor, type Watching } from '../wan/monitor.js';
import type { WatchOptions } from '../wan/passive/watch.js';
import { linkVerdict, pathOf, wayOf } from '../wan/uplink.js';
import { DeviceWatch } from './device-watch.js';
import { type SuspicionChange, Suspicions } from './suspicions.js';
import { UnknownRounds } from './unknown-rounds.js';

/** A change of state, and how long the state before it lasted. */
export interface UplinkChange extends HealthChange {
  /** Milliseconds that the previous state lasted; for the first change, since the start of the watch. */
  readonly lastedMs: number;
}

/** The WANs and how they are judged are read anew each time; {@link Uplinks.follow} takes up others. */
export interface UplinksParts {
  readonly wans: readonly Wan[];
  readonly field: MarkField;
  readonly health: HealthConfig;
  /** Takes the findings, and has the current weights. */
  readonly states: States;
  readonly logger: Logger;
  /** Told of each change after the states know it. */
  readonly onChange: (change: UplinkChange) => void;
  /** Told when a WAN begins or ends to be suspected, after the states know it. */
  readonly onSuspicion: (change: SuspicionChange) => void;
  /** Whether another WAN could have a connection of `wan`. */
  readonly hasOther: (wan: string, family: Family) => boolean;
  /** Drops the remembered decisions for a WAN. @param mark its number */
  readonly forget: (mark: number) => void;
  /** See {@link WatchOptions.onMove}. */
  readonly onMove?: WatchOptions['onMove'];
  /** Told when an outage that seemed brief turns out to last, see {@link TargetState.brief}. */
  readonly onLasting: (change: HealthChange) => void;
  /** Told at each look; the first look is in the constructor. */
  readonly onLinks?: (links: Links) => void;
  /** Told when a WAN's device, address or gateway differs from the last look. */
  readonly onMoved?: () => void;
  /** Runs the scripts of checks; as this process by default. */
  readonly run?: RunProgram | undefined;
  readonly links?: () => Links;
  readonly clock?: Clock;
  /** What an earlier daemon knew of the WANs. */
  readonly memory?: ReadonlyMap<TargetId, UplinkMemory> | undefined;
}

/** What is known of a WAN in one family, in a form for the next daemon. */
export interface UplinkMemory extends HealthMemory {
  /** Set where clients' connections speak against it: why it is suspected, or was found dead. */
  readonly doubt?: string;
}

/** The result of the last look at a WAN's device, in one family. */
interface Look {
  /** The text of {@link wayOf}, and since when it holds. */
  readonly way: string;
  readonly since: number;
  /** Whether the device is down, or leads nowhere. */
  readonly dead: boolean;
}

/** What its device tells of a WAN at one moment, in one family. */
interface Found {
  readonly wan: Wan;
  readonly family: Family;
  readonly id: TargetId;
  readonly verdict: Verdict;
  readonly way: string;
}

/** Knows whether each WAN works: by its device, its checks, and the fate of its connections. */
export class Uplinks {
  readonly #parts: UplinksParts;
  readonly #clock: Clock;
  readonly #health: Health;
  readonly #monitor: Monitor;
  readonly #suspicions: Suspicions;
  readonly #devices: DeviceWatch;
  #links: Links;
  /** The WANs that are down until a check has passed. */
  #starting: ReadonlySet<TargetId>;
  readonly #looks = new Map<TargetId, Look>();

  /** Reports devices that are down before it returns, and looks at them again from time to time. */
  constructor(parts: UplinksParts) {
    this.#parts = parts;
    const { field } = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#devices = new DeviceWatch({
      logger: parts.logger,
      clock: this.#clock,
      devices: () => new Set(parts.wans.map(({ dev }) => dev)),
      onLook: (links) => this.#see(links),
      read: parts.links,
    });
    this.#links = this.#devices.read();
    this.#health = new Health({
      get upAfterMs() {
        return parts.health.upAfterMs;
      },
      taking: (family) => this.#taking(family),
      onState: (change) => this.#found(change),
    });
    const path = (name: string, family: Family) => {
      const wan = this.#named(name);
      return wan && pathOf(wan, family, this.#links, field.encode(wan.mark));
    };
    const unknown = new UnknownRounds(parts.logger, this.#clock, (wan) => ({ wan }), 'WAN');
    const memory = new Map(this.#carried().map(([, , id]) => [id, parts.memory?.get(id)]));
    const waiting = [...startsDown(parts.wans, parts.health.checks)];
    this.#starting = new Set(waiting.filter((id) => memory.get(id)?.up !== true));
    for (const [wan, family, id] of this.#carried()) {
      const known = memory.get(id);
      if (known !== undefined) this.#restore(wan.name, family, known);
    }
    this.#monitor = new Monitor({
      ...this.#watching,
      health: this.#health,
      path,
      startsDown: (name, family) => this.#starting.has(targetId(name, family)),
      wasDown: (name, family) => {
        const known = memory.get(targetId(name, family));
        return known === undefined || known.up ? undefined : known.reason;
      },
      // After a stall, the news of a device that is back may still be on the way.
      beforeDue: () => this.#devices.look(),
      run: parts.run,
      onUnknown: (wan, report) => unknown.say(wan, report),
      clock: this.#clock,
    });
    this.#suspicions = new Suspicions({
      ...parts,
      get wans() {
        return parts.wans;
      },
      get health() {
        return parts.health;
      },
      clock: this.#clock,
      path,
      working: (family) => this.#working(family),
      gateway: (name, family) => {
        const address = path(name, family)?.gateway;
        if (address === undefined || isIP(address) === 0) return undefined;
        return { family, address, index: this.#links.index(this.#named(name)!.dev) };
      },
      onChange: parts.onSuspicion,
      onAsked: (wan, family, verdict) => {
        this.#health.report(wan, family, 'asked', verdict, this.#clock.now());
        this.#monitor.awaitHolds();
      },
    });
    this.#devices.begin();
    for (const [wan, family, id] of this.#carried()) {
      const { doubt, up } = memory.get(id) ?? {};
      if (doubt !== undefined) this.#suspicions.resume(wan.name, family, doubt, !up);
    }
    // Only a new check can begin with what an earlier daemon knew.
    memory.clear();
    this.reconsider();
  }

  /** What is known of the WANs, for the next daemon. */
  memory(): ReadonlyMap<TargetId, UplinkMemory> {
    const { states } = this.#parts;
    return new Map(
      [...this.#health.memory()].map(([id, known]): [TargetId, UplinkMemory] => {
        const doubt = this.#suspicions.dead.has(id) ? known.reason : states.suspicion(id)?.reason;
        return [id, doubt === undefined ? known : { ...known, doubt }];
      }),
    );
  }

  #restore(wan: string, family: Family, known: UplinkMemory): void {
    this.#health.restore(wan, family, known, this.#clock.now());
    const { up, since, reason } = known;
    this.#parts.states.restore(targetId(wan, family), { up, since, reason, heldUntil: undefined });
  }

  /** Hears of changes at once from now on. */
  begin(): void {
    this.#devices.hear();
  }

  /**
   * Takes up other WANs and another way to judge them, when the states know them. What is known of a WAN that stays holds
   * on, and checks that are the same are not disturbed.
   */
  follow(): void {
    const ids = new Set(this.#carried().map(([, , id]) => id));
    const { wans, health } = this.#parts;
    // A WAN that works already is not down because its configuration now says how it would start.
    this.#starting = new Set([...startsDown(wans, health.checks)].filter((id) => !this.#looks.has(id)));
    this.#health.keep(ids);
    for (const id of this.#looks.keys()) if (!ids.has(id)) this.#looks.delete(id);
    this.#monitor.watch(this.#watching);
    this.#suspicions.follow();
    this.#devices.look();
  }

  get #watching(): Watching {
    const { wans, health } = this.#parts;
    return { wans: wans.map(({ name }) => name), checks: health.checks };
  }

  /** Does what {@link Monitor.latest} says. */
  checks(name: string): readonly CheckReport[] {
    return this.#monitor.latest(name);
  }

  /** Does what {@link Monitor.awaited} says. */
  awaited(name: string): ReturnType<Monitor['awaited']> {
    return this.#monitor.awaited(name);
  }

  /** Notes that a new connection was given to a WAN. */
  decided(name: string, flow: Flow, ageMs = 0): void {
    this.#suspicions.decided(name, flow, ageMs);
  }

  /** Does what {@link Watch.decidedByKernel} says. */
  decidedByKernel(flow: Flow, ageMs: number): void {
    this.#suspicions.decidedByKernel(flow, ageMs);
  }

  /** The WANs that did not answer this connection before; undefined for nearly all. */
  tried(flow: Flow): ReadonlySet<string> | undefined {
    return this.#suspicions.tried(flow);
  }

  /** Does what {@link Suspicions.unreachable} says. */
  unreachable(tuple: Tuple, number: number): boolean {
    return this.#suspicions.unreachable(tuple, number);
  }

  /**
   * Holds a WAN down in all its families, or lets it go by its findings again: then it is up at once unless something
   * else says that it is down.
   */
  setDown(name: string, down: boolean): void {
    const now = this.#clock.now();
    for (const family of wanTarget(this.#named(name)!).families) {
      if (down) {
        const verdict = { up: false, reason: 'set down by hand', wished: true };
        this.#health.report(name, family, 'set', verdict, now);
      } else {
        this.#health.release(name, family, 'set', now);
      }
    }
    this.#monitor.awaitHolds();
  }

  /** To be called when a weight changed: a WAN that waits to come up may be the only one left. */
  reconsider(): void {
    this.#health.tick(this.#clock.now());
    this.#monitor.awaitHolds();
  }

  /**
   * Takes down the WANs that the rules have no route for, since their tables lead nowhere.
   * @param asOf when the rules were looked at, in milliseconds of the clock; a WAN that changed since has to be looked
   *   at again
   */
  unusable(ids: ReadonlySet<TargetId>, asOf: number): void {
    const now = this.#clock.now();
    for (const [wan, family, id] of this.#carried()) {
      const look = this.#looks.get(id);
      const news = ids.has(id) && look?.dead === false;
      if (news && look.since > asOf) continue;
      const reason = `the rules have no IPv${family} route by device ${wan.dev}`;
      this.#health.report(wan.name, family, 'rules', news ? { up: false, reason } : undefined, now);
    }
    this.#monitor.awaitHolds();
  }

  async stop(): Promise<void> {
    this.#devices.stop();
    this.#suspicions.stop();
    await this.#monitor.stop();
  }

  #see(links: Links): void {
    const found = this.#verdicts(links);
    this.#links = links;
    this.#parts.onLinks?.(links);
    this.#judge(found);
  }

  /** What the devices tell of each WAN: all of it, or nothing. */
  #verdicts(links: Links): Found[] {
    return this.#carried().map(([wan, family, id]) => {
      return { wan, family, id, verdict: linkVerdict(wan, family, links)!, way: wayOf(wan, family, links) };
    });
  }

  #judge(found: readonly Found[]): void {
    const now = this.#clock.now();
    let moved = false;
    const findings: Finding[] = [];
    for (const { wan, family, id, verdict, way } of found) {
      const before = this.#looks.get(id);
      const since = before?.way === way ? before.since : now;
      this.#looks.set(id, { way, since, dead: !verdict.up });
      moved ||= before !== undefined && before.way !== way;
      // A device that is up is reported only after it was down: what the checks find says more.
      if (verdict.up && !before?.dead) continue;
      findings.push({ wan: wan.name, family, source: 'link', verdict });
    }
    this.#health.reportAll(findings, now);
    if (moved) this.#parts.onMoved?.();
    this.#monitor.awaitHolds();
  }

  /** Passes a finding of the health on to the states, and reports it if the state changed. */
  #found(change: HealthChange): void {
    const { wan, family, ...state } = change;
    const { states, onChange, onLasting } = this.#parts;
    const id = targetId(wan, family);
    const wasBrief = states.state(id).brief === true;
    const lastedMs = states.found(id, state);
    if (lastedMs === undefined) {
      if (wasBrief && !state.up && !state.brief) onLasting(change);
      return;
    }
    this.#suspicions.changed(wan, family, state.up);
    onChange({ ...change, lastedMs });
  }

  /** Undefined for one that is gone, of which something is still on its way. */
  #named(name: string): Wan | undefined {
    return this.#parts.wans.find((one) => one.name === name);
  }

  /** Each WAN in each family that it carries. */
  #carried(): [Wan, Family, TargetId][] {
    return this.#parts.wans.flatMap((wan) =>
      wanTarget(wan).families.map((family): [Wan, Family, TargetId] => [
        wan,
        family,
        targetId(wan.name, family),
      ]),
    );
  }

  /** The WANs that get new connections and are up. */
  #working(family: Family): readonly string[] {
    return this.#taking(family).filter((name) => this.#health.state(name, family).up);
  }

  /** The names of the WANs that get new connections when they are up. */
  #taking(family: Family): readonly string[] {
    const { wans, states } = this.#parts;
    const takes = (wan: Wan) => states.weight(wan.name, wan.weight) > 0 && carries(wan, family);
    return wans.filter(takes).map((wan) => wan.name);
  }
}
