import type { Logger } from 'pino';
import type { HealthConfig } from '../config/health.js';
import { forget, lookup } from '../conntrack/requests.js';
import { NO_EVENTS } from '../core/event.js';
import type { Family } from '../core/family.js';
import type { Flow } from '../core/flow.js';
import { type Backend, backendName } from '../core/service.js';
import type { States } from '../core/states.js';
import { type TargetId, targetId } from '../core/target.js';
import { type Clock, systemClock } from '../wan/clock.js';
import { Health, type HealthChange, type HealthMemory } from '../wan/health.js';
import { type CheckReport, Monitor, type MonitorOptions, type Watching } from '../wan/monitor.js';
import { Destinations } from '../wan/passive/destinations.js';
import { Evidence } from '../wan/passive/evidence.js';
import type { Watch } from '../wan/passive/watch.js';
import { ServerCuts, type ServerCutsParts } from './server-cuts.js';
import { UnknownRounds } from './unknown-rounds.js';
import { sinceDate } from './uplink-status.js';
import { type Conntrack, watchTargets } from './watch-targets.js';

/** The service and how its servers are judged are read anew each time; {@link Servers.follow} takes up others. */
export interface ServersParts extends ServerCutsParts {
  readonly health: Pick<HealthConfig, 'serverChecks' | 'upAfterMs' | 'secondChance' | 'passive'>;
  /** Takes the findings, and has the current weights. */
  readonly states: States;
  readonly logger: Logger;
  /** Whether a connection that must keep off a target could be given to another one. */
  readonly hasOther: (name: string) => boolean;
  /** Drops the remembered decisions for a backend. @param mark its number */
  readonly forget: (mark: number) => void;
  /** Makes the kernel's own choice go by the states; see {@link RulesKeeper.setStates}. */
  readonly follow: () => Promise<void>;
  readonly clock?: Clock;
  readonly conntrack?: Conntrack;
  /** What an earlier daemon knew of the servers. */
  readonly memory?: ReadonlyMap<TargetId, HealthMemory> | undefined;
  /** Makes the checks; tests have their own. */
  readonly make?: MonitorOptions['make'];
}

/**
 * Knows whether each server of one service works, and acts on it as on WANs. Down: neither the daemon nor the kernel
 * chooses the server any more, then its connections are cut. Up: first the rules know it, then the daemon chooses it.
 *
 * What hinders the probes of all servers, as a firewall does, seems to kill one after the other. So the connections of a
 * server are cut only when another one passes a round that began after this one was called down.
 *
 * A client's TCP connection that its server does not answer goes to another server with its next SYN, and makes the
 * checks ask that server at once. If they get no answer either, the server is suspected: it gets nothing new while
 * another works, until a round passes.
 */
export class Servers {
  readonly #parts: ServersParts;
  readonly #clock: Clock;
  readonly #health: Health;
  readonly #monitor: Monitor;
  readonly #family: Family;
  /** Undefined where nothing would follow from what it sees. */
  #watch: Watch | undefined;
  /** The servers that have left a client without an answer since their checks passed last. */
  readonly #doubted = new Set<string>();
  /** The last change of each target, so that work for an older one can tell that it is out of date. */
  readonly #latest = new Map<TargetId, HealthChange>();
  readonly #cuts: ServerCuts;
  #settled: Promise<unknown> = Promise.resolve();

  constructor(parts: ServersParts) {
    this.#parts = parts;
    const { service, states } = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#family = service.family;
    this.#cuts = new ServerCuts(parts);
    const unknown = new UnknownRounds(parts.logger, this.#clock, (name) => this.#label(name), 'backend');
    const weight = (name: string) => states.weight(name, this.#named(name)?.weight ?? 0);
    this.#health = new Health({
      get upAfterMs() {
        return parts.health.upAfterMs;
      },
      taking: () => this.#names.filter((name) => weight(name) > 0),
      onState: (change) => this.#found(change),
    });
    const memory = new Map(parts.memory);
    for (const name of this.#names) {
      const id = targetId(name, this.#family);
      const known = memory.get(id);
      if (known === undefined) continue;
      this.#health.restore(name, this.#family, known, this.#clock.now());
      const { up, since, reason } = known;
      states.restore(id, { up, since, reason, heldUntil: undefined });
    }
    this.#monitor = new Monitor({
      ...this.#watching,
      health: this.#health,
      // By the main table, as the connections themselves go.
      path: (wan, family) => ({ wan, family, mark: 0, device: undefined, unnoticed: true }),
      onUnknown: (wan, report) => unknown.say(wan, report),
      wasDown: (wan, family) => {
        const known = memory.get(targetId(wan, family));
        return known === undefined || known.up ? undefined : known.reason;
      },
      onPassed: (wan, _family, began) => {
        this.#cuts.passed(began);
        this.#passed(wan);
      },
      onFailed: (wan, _family, why) => {
        if (this.#doubted.has(wan)) this.#suspect(wan, why);
      },
      clock: this.#clock,
      ...(parts.make && { make: parts.make }),
    });
    this.#watch = this.#openWatch();
    // Only a new check can begin with what an earlier daemon knew.
    memory.clear();
    this.reconsider();
  }

  /** What is known of the servers, for the next daemon. */
  memory(): ReadonlyMap<TargetId, HealthMemory> {
    return this.#health.memory();
  }

  /** Takes up other servers of the service and other checks, when the states know them. */
  follow(): void {
    const names = this.#names;
    this.#health.keep(new Set(names.map((name) => targetId(name, this.#family))));
    for (const name of this.#doubted) if (!names.includes(name)) this.#doubted.delete(name);
    this.#cuts.keep(names);
    this.#monitor.watch(this.#watching);
    if (this.#watches) this.#watch ??= this.#openWatch();
    else {
      this.#watch?.stop();
      this.#watch = undefined;
    }
  }

  /** The servers' names as targets. */
  get #names(): readonly string[] {
    const { service } = this.#parts;
    return service.backends.map((backend) => backendName(service, backend));
  }

  get #watching(): Watching {
    const names = this.#names;
    return { wans: names, checks: this.#parts.health.serverChecks.filter(({ wan }) => names.includes(wan)) };
  }

  /** Alone, a server has nothing that it could be replaced by. */
  get #watches(): boolean {
    const { service, health } = this.#parts;
    return service.backends.length > 1 && (health.passive !== 'off' || health.secondChance);
  }

  /** Notes that a new connection was given to a server. @param name its name as a target */
  decided(name: string, flow: Flow): void {
    this.#watch?.decided(name, flow);
  }

  /** Does what {@link Watch.decidedByKernel} says. */
  decidedByKernel(flow: Flow, ageMs: number): void {
    this.#watch?.decidedByKernel(flow, ageMs);
  }

  /** The servers that did not answer this connection before; undefined for nearly all. */
  tried(flow: Flow): ReadonlySet<string> | undefined {
    return this.#watch?.tried(flow);
  }

  /** Holds a server down, or lets it go by its findings again. @param name its name as a target */
  setDown(name: string, down: boolean): void {
    const now = this.#clock.now();
    const verdict = { up: false, reason: 'set down by hand', wished: true };
    if (down) this.#health.report(name, this.#family, 'set', verdict, now);
    else this.#health.release(name, this.#family, 'set', now);
    this.#monitor.awaitHolds();
  }

  /** To be called when a weight changed: a server that waits to come up may be the only one left. */
  reconsider(): void {
    this.#health.tick(this.#clock.now());
    this.#monitor.awaitHolds();
  }

  /** What the checks of a server found in their last rounds. @param name its name as a target */
  checks(name: string): readonly CheckReport[] {
    return this.#monitor.latest(name);
  }

  /** Does what {@link Monitor.awaited} says. */
  awaited(name: string): ReturnType<Monitor['awaited']> {
    return this.#monitor.awaited(name);
  }

  /** Settles when all consequences of the changes so far are done. */
  settled(): Promise<unknown> {
    return this.#settled;
  }

  stop(): Promise<void> {
    this.#watch?.stop();
    return this.#monitor.stop();
  }

  #openWatch(): Watch | undefined {
    if (!this.#watches) return undefined;
    const parts = this.#parts;
    const { field, states, hasOther, forget: drop } = parts;
    const { conntrack = { lookup, forget } } = parts;
    return watchTargets({
      get targets() {
        const { service } = parts;
        return service.backends.map((one) => ({ name: backendName(service, one), mark: one.mark }));
      },
      field,
      conntrack,
      forget: drop,
      mayMove: (name) => parts.health.secondChance && hasOther(name),
      evidence: { 4: new Evidence(), 6: new Evidence() },
      destinations: { 4: new Destinations(), 6: new Destinations() },
      clock: this.#clock,
      onUnanswered: (name) => {
        // Further rounds come in their time: how many must fail, and how far apart, is configured.
        const isKnown = states.suspicion(targetId(name, this.#family)) !== undefined;
        if (parts.health.passive === 'off' || isKnown) return;
        this.#doubted.add(name);
        const failing = this.#monitor.failing(name);
        // The next round takes a timeout. Meanwhile the kernel may give up the server's address (ARP), and then it tells
        // each client that waits for it.
        if (failing !== undefined) this.#suspect(name, failing);
        else this.#monitor.hurry(name);
      },
    });
  }

  #suspect(name: string, why: string): void {
    const { states, logger, forget: drop, follow } = this.#parts;
    const id = targetId(name, this.#family);
    if (states.suspicion(id) !== undefined || states.down.has(id)) return;
    const reason = `connections unanswered; ${why}`;
    states.suspect(id, { since: this.#clock.now(), reason });
    logger.warn({ ...this.#label(name), reason }, 'backend suspected');
    this.#note(name, 'suspected', reason, null);
    const backend = this.#named(name);
    if (backend === undefined) return;
    drop(backend.mark);
    this.#settle(Promise.all([this.#cuts.unanswered(backend), follow()]));
  }

  /** A round of a server's checks has passed. */
  #passed(name: string): void {
    const { states, logger, follow } = this.#parts;
    if (this.#monitor.failing(name) !== undefined) return;
    this.#doubted.delete(name);
    const id = targetId(name, this.#family);
    if (states.suspicion(id) === undefined) return;
    const { since } = states.suspicion(id)!;
    states.suspect(id, undefined);
    logger.info(this.#label(name), 'backend not suspected any more');
    this.#note(name, 'up', 'a round of its checks passed', Math.round((this.#clock.now() - since) / 1000));
    this.#settle(follow());
  }

  #note(
    target: string,
    state: 'up' | 'suspected' | 'down',
    reason: string,
    lastedSeconds: number | null,
  ): void {
    const { events = NO_EVENTS } = this.#parts;
    events.note({ kind: 'state', target, family: this.#family, state, reason, lastedSeconds });
  }

  /** Names a server in the log. */
  #label(name: string) {
    const service = this.#parts.service.name;
    return { service, backend: name.slice(service.length + 1) };
  }

  #settle(acted: Promise<unknown>): void {
    // Drops the results, since otherwise each promise would hold all earlier ones.
    this.#settled = Promise.all([this.#settled, acted]).then(() => undefined);
  }

  #found(change: HealthChange): void {
    const { wan, family, ...state } = change;
    const id = targetId(wan, family);
    const lastedMs = this.#parts.states.found(id, state);
    if (lastedMs === undefined) return;
    this.#latest.set(id, change);
    this.#settle(this.#act(this.#named(wan)!, change, lastedMs));
  }

  /** Never rejects. */
  async #act(backend: Backend, change: HealthChange, lastedMs: number): Promise<void> {
    const { logger, states, forget, follow } = this.#parts;
    const { wan, family, up, reason, since } = change;
    const id = targetId(wan, family);
    const lasted = Math.round(lastedMs / 1000);
    const line = { ...this.#label(wan), reason, since: sinceDate(since), lasted };
    if (up) {
      this.#cuts.spare(id);
      await follow();
      // After another change meanwhile, that change does the rest.
      if (this.#latest.get(id) !== change) return;
      states.admit(id);
      logger.info(line, 'backend up');
      this.#note(wan, 'up', reason, lasted);
      return;
    }
    logger.warn(line, 'backend down');
    this.#note(wan, 'down', reason, lasted);
    forget(backend.mark);
    const waits = !states.isByHand(wan) && this.#isAnotherAsked(wan);
    if (waits) this.#cuts.wait(change);
    // With none left, the cause is likely common to all, so none is cut, nor when the first of them is back, as it may be
    // before the rules have followed.
    const isLast = this.#parts.candidates().size === 0;
    if (isLast) this.#cuts.spareAll();
    // Packets without an answer yet are decided anew at their next retransmission.
    await Promise.all([this.#cuts.unanswered(backend), follow()]);
    // The server may be up again by now.
    if (!waits && !isLast && states.down.has(id)) await this.#cuts.all(backend);
  }

  /** Whether a check of another server can show that this one alone is down. */
  #isAnotherAsked(name: string): boolean {
    const { candidates, health } = this.#parts;
    return health.serverChecks.some(({ wan }) => wan !== name && candidates().has(wan));
  }

  /** Undefined for one that is gone, of which something is still on its way. */
  #named(name: string): Backend | undefined {
    const { service } = this.#parts;
    return service.backends.find((backend) => backendName(service, backend) === name);
  }
}
