import type { Change } from '../config/change.js';
import type { Config } from '../config/config.js';
import { lowestPolicyNumber } from '../config/policies.js';
import { DEFAULT_POLICY } from '../config/policy.js';
import type { PolicyStatus, StickyStatus, WanStatus } from '../control/status.js';
import { markMember } from '../core/bare-mark.js';
import type { RateHistory } from '../core/byte-meter.js';
import { NO_EVENTS } from '../core/event.js';
import type { Family } from '../core/family.js';
import type { Flow } from '../core/flow.js';
import type { Member } from '../core/member.js';
import { Pairs } from '../core/pairs.js';
import type { Pool } from '../core/pool.js';
import type { NamedStrategy } from '../core/strategy.js';
import type { TargetId } from '../core/target.js';
import { wanMember } from '../core/wan.js';
import { Plans } from '../queue/plans.js';
import { readQueueTable } from '../queue/proc.js';
import { OwnNetworksReader } from '../system/own-networks.js';
import type { RunProgram } from '../system/programs.js';
import type { ChosenBy } from './ahead/chosen-by.js';
import { RingBalancer } from './ahead/ring-balancer.js';
import { Balancer } from './balancer.js';
import type { BalancerContext, BalancerShape } from './balancer-shape.js';
import type { Chooser } from './chooser.js';
import { ClientMemory } from './client-memory.js';
import { exclusionOf } from './connections.js';
import { Failover } from './failover.js';
import { Hooks } from './hooks.js';
import { InboundWans } from './inbound-wans.js';
import { Isolation } from './isolation.js';
import { LoneFlows } from './lone-flows.js';
import { type MarkLogOptions, markLog } from './mark-log.js';
import { type DaemonMemory, takeUpPicks } from './memory.js';
import type { Months } from './months.js';
import { Mover } from './mover.js';
import { findByPolicy, policyMembers, poolInstead, poolsByPolicy } from './policy-pools.js';
import { Renumbering } from './renumbering.js';
import type { RulesKeeper } from './rules-keeper.js';
import { Settings } from './settings.js';
import { StickyPolicies } from './sticky-policies.js';
import { Traffic } from './traffic.js';
import { judgedStatus } from './uplink-status.js';
import { type UplinkMemory, Uplinks } from './uplinks.js';

/** How long a part of this may take to end. */
const PART_STOPPING_MS = 3000;

/** What the WANs are made of: all that another configuration can change while they run. */
export interface WansPlan {
  /** A configuration with WANs or bare marks. */
  readonly config: Pick<
    Config,
    'wans' | 'marks' | 'fields' | 'queues' | 'rules' | 'strategy' | 'health' | 'hooks' | 'socket' | 'policies'
  >;
  /** That of the policy `default`. */
  readonly strategy: NamedStrategy;
  /** Those of the other policies that are used, in their order. */
  readonly policies: readonly NamedStrategy[];
  /** The counts that a strategy chooses by; undefined where it needs none. */
  readonly chosenBy: (strategy: NamedStrategy) => ChosenBy | undefined;
  /** Undefined when decisions are not logged. */
  readonly markLog: MarkLogOptions | undefined;
}

export interface WansParts extends BalancerContext, WansPlan {
  /** Runs hooks and scripts. */
  readonly run: RunProgram;
  /** Undefined where the rules belong to the user. */
  readonly keeper: RulesKeeper | undefined;
  readonly months: Months;
  /** What an earlier daemon knew. */
  readonly memory?: DaemonMemory | undefined;
}

/** The balancer of outgoing connections and, when they go by uplinks, the watch over these. */
export class Wans {
  readonly balancer: Chooser;
  readonly #parts: WansParts;
  #plan: WansPlan;
  #inbound: InboundWans;
  readonly #clients: ClientMemory;
  readonly #sticky: StickyPolicies;
  /** The pairs of each policy that has them. */
  #pairs: ReadonlyMap<string, Pairs> = new Map();
  readonly #lone: LoneFlows;
  /** Undefined for bare marks, since only the user knows where they lead. */
  readonly #uplinks: Uplinks | undefined;
  readonly #failover: Failover;
  #renumbering: Renumbering;
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
    this.#plan = parts;
    const { logger, states, keeper, events = NO_EVENTS } = parts;
    const { wans, policies, fields } = parts.config;
    this.#isolation = new Isolation(logger, parts.now);
    this.#inbound = new InboundWans(wans);
    this.#traffic = new Traffic({ wans, now: parts.now, isolation: this.#isolation, months: parts.months });
    this.#clients = new ClientMemory({ path: `${parts.config.socket}.clients`, now: parts.now, logger });
    this.#sticky = new StickyPolicies(policies, wans, parts.now, this.#clients);
    this.#lone = new LoneFlows(parts.now);
    this.#renumbering = new Renumbering({ wans, field: fields.wans, logger });
    this.balancer = this.#openBalancer();
    takeUpPicks(this.balancer.pools, parts.memory?.picks.wans);
    // These parts read the configuration in force each time that they need it.
    const now = this.#current;
    this.#mover = new Mover({
      field: fields.wans,
      get onUp() {
        return now().health.onUp;
      },
      balancer: this.balancer,
      logger,
      events,
    });
    this.#failover = this.#makeFailover();
    this.#hooks = new Hooks({
      get wans() {
        return now().wans;
      },
      get hooks() {
        return now().hooks;
      },
      socket: parts.config.socket,
      logger,
      events,
      states,
      onFault: this.#isolation.report,
      run: parts.run,
    });
    this.#uplinks = wans.length > 0 ? this.#watchUplinks() : undefined;
    const pool = () => this.#pool;
    const plan = () => this.#plan;
    this.#settings = new Settings({
      what: 'WAN',
      label: (wan) => ({ wan }),
      get members() {
        return pool().members;
      },
      get strategy() {
        return plan().strategy;
      },
      states,
      logger,
      events,
      uplinks: this.#uplinks,
      keeper,
      settled: () => this.#settled,
    });
  }

  /** What is known of the WANs, for the next daemon. */
  memory(): ReadonlyMap<TargetId, UplinkMemory> {
    return this.#uplinks?.memory() ?? new Map();
  }

  /** Whether choices are written into the rules, and no packet is seen. */
  get #writesAhead(): boolean {
    return this.#parts.config.rules.engine === 'ahead';
  }

  readonly #current = (): WansPlan['config'] => this.#plan.config;

  /** That of the policy `default`. */
  get #pool(): Pool {
    return this.balancer.pools[0]!;
  }

  /**
   * Goes over to another plan between two decisions, when the rules and the states are of it already. What stays keeps its
   * health, its clients and its counts. Connections of WANs that are gone are made anew, since nothing leads them any
   * more.
   */
  follow(plan: WansPlan): void {
    const before = this.#current().wans;
    const { wans, policies, fields } = plan.config;
    this.#plan = plan;
    this.#inbound = new InboundWans(wans);
    this.#renumbering = new Renumbering({ wans, field: fields.wans, logger: this.#parts.logger });
    this.#traffic.follow(wans);
    this.#sticky.follow(policies, wans);
    this.balancer.reshape(this.#shape());
    for (const { name, mark } of before)
      if (wans.find((one) => one.name === name)?.mark !== mark) this.balancer.forget(mark);
    this.#uplinks?.follow();
    const gone = before.filter(({ mark }) => wans.every((one) => one.mark !== mark));
    void this.#alsoSettle(() => this.#failover.gone(gone));
  }

  /** Hears of the uplinks' changes at once from now on. Starts a program, so decisions wait for a moment. */
  begin(): void {
    this.#uplinks?.begin();
    this.#traffic.begin();
    this.#clients.begin();
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
    await isolation.settle(() => this.#clients.stop(), PART_STOPPING_MS);
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
      const { name } = member.target;
      const uplinks = this.#uplinks;
      const checks = { reports: uplinks?.checks(name) ?? [], awaited: uplinks?.awaited(name) ?? [] };
      const status = judgedStatus(lines[i]!, member, this.#parts.states, checks);
      const traffic = this.#traffic.status(member.target.name);
      return { ...status, dev: member.configured.dev ?? '', traffic };
    });
  }

  /** The rates of the last ten minutes by WAN; empty for bare marks. */
  history(): Readonly<Record<string, RateHistory>> {
    return Object.fromEntries(
      this.#current().wans.map(({ name }) => [name, this.#traffic.history(name)!] as const),
    );
  }

  /** How what no rule is for keeps its WAN; null where it does not. */
  stickyStatus(): StickyStatus | null {
    return this.#sticky.status(DEFAULT_POLICY);
  }

  /** The status of the policies that are used. */
  policyStatus(): PolicyStatus[] {
    const [, ...lines] = this.balancer.status();
    const { config, policies } = this.#plan;
    return config.policies.used.map(({ name, none }, i) => ({
      name,
      strategy: policies[i]!.name,
      none: typeof none === 'string' ? none : none.policy,
      sticky: this.#sticky.status(name),
      wans: lines[i]!,
    }));
  }

  #openRings(): Chooser {
    const { config } = this.#parts;
    const networks = new OwnNetworksReader(config.wans.map(({ dev }) => dev));
    return new RingBalancer({
      ...this.#parts,
      ...this.#shape(),
      field: config.fields.wans,
      label,
      exclusion: () => exclusionOf(networks),
    });
  }

  #openBalancer(): Chooser {
    const { config } = this.#parts;
    if (this.#writesAhead) return this.#openRings();
    const { field, num, count, deadlineMs, length } = { field: config.fields.wans, ...config.queues };
    return new Balancer({
      ...this.#parts,
      ...this.#shape(),
      field,
      tried: (flow) => this.#uplinks?.tried(flow),
      plans: new Plans(),
      label,
      // Only the user knows what marks without WANs mean, and which errors the rules queue.
      onError: (tuple, number) =>
        !this.#lone.has(tuple) && (this.#uplinks?.unreachable(tuple, number) ?? false),
      queues: { num, count, deadlineMs, maxLen: length },
    });
  }

  /** The pools of the plan, and how they are found. */
  #shape(): BalancerShape {
    const { config, strategy, policies, chosenBy, markLog: options } = this.#plan;
    const { used } = config.policies;
    const decided = this.#isolation.around(
      (name: string, flow: Flow, ageMs: number) => this.#uplinks?.decided(name, flow, ageMs),
      undefined,
    );
    const log = options && markLog(label, options);
    const some = config.health.passive === 'off' ? 'none' : 'some';
    const pairs = config.strategy.pairFamilies ? [DEFAULT_POLICY, ...used.map(({ name }) => name)] : [];
    this.#pairs = new Map(
      pairs.map((name) => [name, this.#pairs.get(name) ?? new Pairs(this.#parts.now)] as const),
    );
    const learned = (name: string) => ({
      // Where no packet is seen, the kernel alone keeps clients.
      stickiness: this.#writesAhead ? undefined : this.#sticky.of(name),
      pairs: this.#pairs.get(name),
    });
    return {
      pools: [
        {
          name: DEFAULT_POLICY,
          strategy,
          members: [...config.wans.map(wanMember), ...config.marks.map(markMember)],
          ...learned(DEFAULT_POLICY),
        },
        ...used.map((policy, i) => ({
          name: policy.name,
          strategy: policies[i]!,
          members: policyMembers(policy, config.wans),
          ...learned(policy.name),
        })),
      ],
      ...(used.length > 0 && { poolField: 'policy' }),
      find: (pools) => findByPolicy(pools, config.policies, config.fields.wans),
      undecidedFrom: lowestPolicyNumber(config.policies),
      inbound: this.#inbound,
      planned: (pools) => ({
        numbers: [0, ...used.flatMap(({ number }) => number ?? [])],
        poolOf: poolsByPolicy(pools, config.policies),
        insteadOf: poolInstead(pools, config.policies),
        countsOf: (pool) => chosenBy(pool.strategy),
        tellsEach: (pool, family) => log !== undefined || isLone(pool, family),
      }),
      onDecision: (pool, member, flow, packet, when) => {
        // This cannot throw, so the log gets its line whatever becomes of the watch.
        decided(member.target.name, flow, when.ageMs);
        const { family } = flow;
        if (pool.name !== DEFAULT_POLICY && !pool.hasOther(member.target.name, family === 6 ? 6 : 4))
          this.#lone.add(flow);
        log?.(pool, member, flow, packet, when);
      },
      told: options === undefined ? some : 'all',
      onLateDecision: (_pool, flow, ageMs) => this.#uplinks?.decidedByKernel(flow, ageMs),
    };
  }

  #makeFailover(): Failover {
    const { config, states, logger, keeper, events = NO_EVENTS } = this.#parts;
    const now = this.#current;
    return new Failover({
      events,
      get wans() {
        return now().wans;
      },
      get onDown() {
        return now().health.onDown;
      },
      field: config.fields.wans,
      states,
      balancer: this.balancer,
      logger,
      mover: this.#mover,
      follow: () => keeper?.setStates(states) ?? Promise.resolve(),
    });
  }

  /**
   * Watches the uplinks: from here on a WAN that is down is not a candidate, for the kernel neither. WANs that are down
   * already are found at once.
   */
  #watchUplinks(): Uplinks {
    const { config, states, logger, keeper, run } = this.#parts;
    const now = this.#current;
    const failover = this.#failover;
    return new Uplinks({
      get wans() {
        return now().wans;
      },
      get health() {
        return now().health;
      },
      field: config.fields.wans,
      states,
      logger,
      run,
      memory: this.#parts.memory?.targets,
      // Nobody could keep a second try off the WAN that it had.
      hasOther: (name, family) => !this.#writesAhead && this.#pool.hasOther(name, family),
      forget: (mark) => this.balancer.forget(mark),
      onMove: (tuple, forMs) => this.balancer.askByFlow(tuple, forMs),
      onSuspicion: (change) => void this.#alsoSettle(() => failover.suspicionChanged(change)),
      onChange: (change) => {
        const acted = this.#alsoSettle(() => failover.changed(change));
        this.#isolation.run(() => this.#hooks.changed(change, acted), undefined);
      },
      onLasting: (change) => void this.#alsoSettle(() => failover.lasts(change)),
      onLinks: (links) => {
        this.#isolation.run(() => {
          this.#inbound.update(links);
          this.balancer.askByInterface(this.#inbound.indexes());
        }, undefined);
        void this.#alsoSettle(() => this.#renumbering.look());
        this.#isolation.run(() => this.#parts.connections?.lookAround(), undefined);
        this.#isolation.run(() => this.balancer.lookAround(), undefined);
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

/** Whether connections of a policy may be such that no other WAN can take: see {@link LoneFlows}. */
function isLone(pool: Pool, family: Family): boolean {
  return (
    pool.name !== DEFAULT_POLICY &&
    pool.candidates(family).some(({ target }) => !pool.hasOther(target.name, family))
  );
}

/** Names a decision in the log. */
function label({ name }: Pool, { configured }: Member): object {
  return { wan: configured.name, ...(name === DEFAULT_POLICY ? {} : { policy: name }) };
}
