import type { Change } from '../config/change.js';
import type { Config } from '../config/config.js';
import { lowestPolicyNumber } from '../config/policies.js';
import { DEFAULT_POLICY } from '../config/policy.js';
import type { PolicyStatus, StickyStatus, WanStatus } from '../control/status.js';
import { markMember } from '../core/bare-mark.js';
import type { RateHistory } from '../core/byte-meter.js';
import { NO_EVENTS } from '../core/event.js';
import type { Flow } from '../core/flow.js';
import type { Member } from '../core/member.js';
import { Pairs } from '../core/pairs.js';
import type { Pool } from '../core/pool.js';
import type { NamedStrategy } from '../core/strategy.js';
import type { TargetId } from '../core/target.js';
import { wanMember } from '../core/wan.js';
import { readQueueTable } from '../queue/proc.js';
import type { RunProgram } from '../system/programs.js';
import { Balancer, type BalancerContext } from './balancer.js';
import { Failover } from './failover.js';
import { Hooks } from './hooks.js';
import { InboundWans } from './inbound-wans.js';
import { Isolation } from './isolation.js';
import { LoneFlows } from './lone-flows.js';
import { type MarkLogOptions, markLog } from './mark-log.js';
import { Mover } from './mover.js';
import { findByPolicy, policyMembers } from './policy-pools.js';
import { Renumbering } from './renumbering.js';
import type { RulesKeeper } from './rules-keeper.js';
import { Settings } from './settings.js';
import { StickyPolicies } from './sticky-policies.js';
import { Traffic } from './traffic.js';
import { judgedStatus } from './uplink-status.js';
import { Uplinks } from './uplinks.js';

/** How long a part of this may take to end. */
const PART_STOPPING_MS = 3000;

export interface WansParts extends BalancerContext {
  /** A configuration with WANs or bare marks. */
  readonly config: Pick<
    Config,
    'wans' | 'marks' | 'fields' | 'queues' | 'strategy' | 'health' | 'hooks' | 'socket' | 'policies'
  >;
  /** That of the policy `default`. */
  readonly strategy: NamedStrategy;
  /** Those of the other policies that are used, in their order. */
  readonly policies: readonly NamedStrategy[];
  /** Runs hooks and scripts. */
  readonly run: RunProgram;
  /** Undefined where the rules belong to the user. */
  readonly keeper: RulesKeeper | undefined;
  /** Undefined when decisions are not logged. */
  readonly markLog: MarkLogOptions | undefined;
}

/** The balancer of outgoing connections and, when they go by uplinks, the watch over these. */
export class Wans {
  readonly balancer: Balancer;
  readonly #parts: WansParts;
  readonly #pool: Pool;
  readonly #inbound: InboundWans;
  readonly #sticky: StickyPolicies;
  /** Undefined for bare marks, since only the user knows where they lead. */
  readonly #uplinks: Uplinks | undefined;
  readonly #hooks: Hooks;
  readonly #mover: Mover;
  readonly #isolation: Isolation;
  readonly #settings: Settings;
  readonly #traffic: Traffic;
  /** Settles when all consequences of the WANs' changes of state are done. */
  #settled: Promise<unknown> = Promise.resolve();

  /** Binds the queues; packets are answered from here on. @throws QueueError */
  constructor(parts: WansParts) {
    this.#parts = parts;
    const { config, logger, states, keeper, events = NO_EVENTS } = parts;
    const { wans, fields, health, hooks, socket } = config;
    this.#isolation = new Isolation(logger, parts.now);
    this.#inbound = new InboundWans(wans);
    this.#traffic = new Traffic({ wans, now: parts.now, isolation: this.#isolation });
    this.#sticky = new StickyPolicies(config.policies, wans, parts.now);
    this.balancer = this.#openBalancer();
    this.#pool = this.balancer.pools[0]!;
    this.#mover = new Mover({
      field: fields.wans,
      onUp: health.onUp,
      balancer: this.balancer,
      logger,
      events,
    });
    const onFault = this.#isolation.report;
    this.#hooks = new Hooks({ wans, hooks, socket, logger, events, states, onFault, run: parts.run });
    this.#uplinks = wans.length > 0 ? this.#watchUplinks() : undefined;
    this.#settings = new Settings({
      what: 'WAN',
      label: (wan) => ({ wan }),
      members: this.#pool.members,
      strategy: parts.strategy,
      states,
      logger,
      events,
      uplinks: this.#uplinks,
      keeper,
      settled: () => this.#settled,
    });
  }

  /** Hears of the uplinks' changes at once from now on. Starts a program, so decisions wait for a moment. */
  begin(): void {
    this.#uplinks?.begin();
    this.#traffic.begin();
  }

  /** Does what {@link Uplinks.unusable} says. */
  unusable(ids: ReadonlySet<TargetId>, asOf: number): void {
    this.#uplinks?.unusable(ids, asOf);
  }

  /** The names by which they can be set. */
  get names(): readonly string[] {
    return this.#pool.members.map(({ target }) => target.name);
  }

  /** Does what {@link Settings.set} says. */
  set(change: Change): Promise<string> {
    return this.#settings.set(change);
  }

  /** Ends the watch and the balancer, and logs their end. */
  async stop(): Promise<void> {
    const { logger } = this.#parts;
    const isolation = this.#isolation;
    this.#traffic.stop();
    await isolation.settle(() => this.#mover.stop(), PART_STOPPING_MS);
    await isolation.settle(() => this.#uplinks?.stop(), PART_STOPPING_MS);
    const hooks = isolation.settle(() => this.#hooks.stop(), PART_STOPPING_MS);
    const nums = this.balancer.queueStatuses().map(({ num }) => num);
    const kernel = readQueueTable()?.filter(({ num }) => nums.includes(num));
    const [queue] = await Promise.all([this.balancer.stop(), hooks]);
    isolation.run(() => this.#sticky.stop(), undefined);
    const all = this.balancer.pools.flatMap((pool) => pool.members);
    const picks = all.reduce((sum, member) => sum + member.picks, 0);
    const { threw, noCandidate } = this.balancer.faults();
    logger.info({ picks, strategyFaults: threw + noCandidate, queue, kernel }, 'stopped');
  }

  /** The WANs as the log shows them at the start. */
  description(): object[] {
    const { states } = this.#parts;
    return this.#pool.members.map(({ target, configured }) => {
      const { name, mark, dev, tier, weight } = configured;
      const uplink = dev === undefined ? {} : { dev, tier };
      return { name, mark, ...uplink, weight, state: states.standing(target, weight) };
    });
  }

  /** The WANs' status, as `wanmark status` shows it. */
  status(): WanStatus[] {
    const lines = this.balancer.status()[0]!;
    return this.#pool.members.map((member, i): WanStatus => {
      const reports = this.#uplinks?.checks(member.target.name) ?? [];
      const status = judgedStatus(lines[i]!, member, this.#parts.states, reports);
      const traffic = this.#traffic.status(member.target.name);
      return { ...status, dev: member.configured.dev ?? '', traffic };
    });
  }

  /** The rates of the last ten minutes by WAN; empty for bare marks. */
  history(): Readonly<Record<string, RateHistory>> {
    return Object.fromEntries(
      this.#parts.config.wans.map(({ name }) => [name, this.#traffic.history(name)!] as const),
    );
  }

  /** How what no rule is for keeps its WAN; null where it does not. */
  stickyStatus(): StickyStatus | null {
    return this.#sticky.status(DEFAULT_POLICY);
  }

  /** The status of the policies that are used. */
  policyStatus(): PolicyStatus[] {
    const [, ...lines] = this.balancer.status();
    const { config, policies } = this.#parts;
    return config.policies.used.map(({ name, none }, i) => ({
      name,
      strategy: policies[i]!.name,
      none: typeof none === 'string' ? none : none.policy,
      sticky: this.#sticky.status(name),
      wans: lines[i]!,
    }));
  }

  #openBalancer(): Balancer {
    const { config, strategy, policies, markLog: options } = this.#parts;
    const { used } = config.policies;
    const pairs = () => (config.strategy.pairFamilies ? new Pairs(this.#parts.now) : undefined);
    const label = ({ name }: Pool, { configured }: Member) => ({
      wan: configured.name,
      ...(name === DEFAULT_POLICY ? {} : { policy: name }),
    });
    const decided = this.#isolation.around(
      (name: string, flow: Flow) => this.#uplinks?.decided(name, flow),
      undefined,
    );
    const log = options && markLog(label, options);
    const lone = new LoneFlows(this.#parts.now);
    return new Balancer({
      ...this.#parts,
      field: config.fields.wans,
      pools: [
        {
          name: DEFAULT_POLICY,
          strategy,
          stickiness: this.#sticky.of(DEFAULT_POLICY),
          members: [...config.wans.map(wanMember), ...config.marks.map(markMember)],
          pairs: pairs(),
        },
        ...used.map((policy, i) => ({
          name: policy.name,
          strategy: policies[i]!,
          stickiness: this.#sticky.of(policy.name),
          members: policyMembers(policy, config.wans),
          pairs: pairs(),
        })),
      ],
      ...(used.length > 0 && { poolField: 'policy' }),
      find: (pools) => findByPolicy(pools, config.policies, config.fields.wans),
      undecidedFrom: lowestPolicyNumber(config.policies),
      inbound: this.#inbound,
      tried: (flow) => this.#uplinks?.tried(flow),
      label,
      onDecision: (pool, member, flow, packet) => {
        // This cannot throw, so the log gets its line whatever becomes of the watch.
        decided(member.target.name, flow);
        const { family } = flow;
        if (pool.name !== DEFAULT_POLICY && !pool.hasOther(member.target.name, family === 6 ? 6 : 4))
          lone.add(flow);
        log?.(pool, member, flow, packet);
      },
      // Only the user knows what marks without WANs mean, and which errors the rules queue.
      onError: (tuple, number) => !lone.has(tuple) && (this.#uplinks?.unreachable(tuple, number) ?? false),
      queues: {
        num: config.queues.num,
        count: config.queues.count,
        deadlineMs: config.queues.deadlineMs,
        maxLen: config.queues.length,
      },
    });
  }

  /**
   * Watches the uplinks: from here on a WAN that is down is not a candidate, for the kernel neither. WANs that are down
   * already are found at once.
   */
  #watchUplinks(): Uplinks {
    const { config, states, logger, events = NO_EVENTS, keeper, run } = this.#parts;
    const { wans, health } = config;
    const field = config.fields.wans;
    const failover = new Failover({
      wans,
      field,
      onDown: health.onDown,
      states,
      balancer: this.balancer,
      logger,
      events,
      mover: this.#mover,
      follow: () => keeper?.setStates(states) ?? Promise.resolve(),
    });
    const renumbering = new Renumbering({ wans, field, logger });
    return new Uplinks({
      wans,
      field,
      health,
      states,
      logger,
      run,
      hasOther: (name, family) => this.#pool.hasOther(name, family),
      forget: (mark) => this.balancer.forget(mark),
      onSuspicion: (change) => void this.#alsoSettle(() => failover.suspicionChanged(change)),
      onChange: (change) => {
        const acted = this.#alsoSettle(() => failover.changed(change));
        this.#isolation.run(() => this.#hooks.changed(change, acted), undefined);
      },
      onLasting: (change) => void this.#alsoSettle(() => failover.lasts(change)),
      onLinks: (links) => {
        this.#isolation.run(() => this.#inbound.update(links), undefined);
        void this.#alsoSettle(() => renumbering.look());
        this.#isolation.run(() => this.#parts.connections?.lookAround(), undefined);
      },
      onMoved: () => keeper?.follow(),
    });
  }

  /** Makes everybody who waits for consequences wait for this one, too. */
  #alsoSettle(act: () => Promise<void>): Promise<void> {
    const acted = (async () => act())().catch(this.#isolation.report);
    // Drops the results, since otherwise each promise would hold all earlier ones.
    this.#settled = Promise.all([this.#settled, acted]).then(() => undefined);
    return acted;
  }
}
