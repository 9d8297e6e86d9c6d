import type { Logger } from 'pino';
import type { FaultCounts, MemberStatus, QueueStatus } from '../control/status.js';
import { type Batch, KERNEL_DECIDES } from '../core/batch.js';
import type { EventSink } from '../core/event.js';
import type { Family } from '../core/family.js';
import { BatchFlow } from '../core/flow.js';
import type { MarkField } from '../core/mark.js';
import type { Member } from '../core/member.js';
import { Pool, type PoolParts } from '../core/pool.js';
import type { States } from '../core/states.js';
import type { Tuple } from '../core/tuple.js';
import type { Plans } from '../queue/plans.js';
import type { QueueError, QueueStats } from '../queue/queue.js';
import { Queues, type QueuesOptions } from '../queue/queues.js';
import { Planner, type PlannerShape } from './ahead/planner.js';
import type { ConnectionSource } from './connections.js';
import {
  Decider,
  type DeciderOptions,
  type DecisionListener,
  type ErrorListener,
  type FindPool,
  type Inbound,
  type LateListener,
  packetBytes,
  type Tried,
} from './decider.js';
import { Isolation } from './isolation.js';
import { dateAhead } from './moment.js';
import { queueStatuses } from './queue-status.js';
import { withShares } from './shares.js';
import { StrategyFaults, sumFaults } from './strategy-faults.js';

/**
 * Names the pool and member that a log line is about, by the fields that users know: `wan`, or `service` and `backend`.
 */
export type Label = (pool: Pool, member: Member) => object;

/** The surroundings that every balancer is given. */
export interface BalancerContext {
  readonly logger: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly states: States;
  /** Takes down what happens; by default nothing is. */
  readonly events?: EventSink;
  /** The source of live connections of the balancer's marks; undefined where they cannot be counted. */
  readonly connections: ConnectionSource | undefined;
  /** Called when a queue is lost, so that the balancer cannot decide any more. */
  readonly onLost: (error: QueueError) => void;
}

/** What a balancer chooses among, and how it finds it: all that another configuration can change while it runs. */
export interface BalancerShape {
  readonly pools: readonly Omit<PoolParts, 'states' | 'onFault'>[];
  /** See {@link DeciderOptions.undecidedFrom}. */
  readonly undecidedFrom?: DeciderOptions['undecidedFrom'];
  /** Makes the function that finds the pool that a packet is for. */
  readonly find: (pools: readonly Pool[]) => FindPool;
  readonly inbound: Inbound;
  /** The log field that names the pool in lines about its strategy; undefined where there is only one pool. */
  readonly poolField?: string;
  /** Told of each decision after it was counted. An exception costs nothing but what it was told for. */
  readonly onDecision: DecisionListener;
  /** What choices are made beforehand for; by default every packet is asked about. */
  readonly planned?: (pools: readonly Pool[]) => PlannerShape;
  /** Told of each connection that the kernel chose for because the decision was late. An exception costs nothing. */
  readonly onLateDecision: LateListener;
}

export interface BalancerParts extends BalancerContext, BalancerShape {
  /** The field of the packet mark that holds its members' numbers. */
  readonly field: MarkField;
  /** See {@link Tried}; by default no connection was tried before. */
  readonly tried?: Tried;
  readonly label: Label;
  /** Told of ICMP errors about its connections; without it they pass. */
  readonly onError?: ErrorListener;
  /** Where choices that are made beforehand go; without it none are. */
  readonly plans?: Plans;
  readonly queues: Pick<QueuesOptions, 'num' | 'count' | 'deadlineMs'> & { readonly maxLen: number };
  readonly open?: typeof Queues.open;
}

/**
 * Spreads new connections by a field of the mark. It has queues, pools, and a decider that answers for them. The WANs
 * are one balancer with a pool for each policy, the services another with one pool each.
 */
export class Balancer {
  readonly #parts: BalancerParts;
  readonly #queues: Queues;
  readonly #isolation: Isolation;
  readonly #planner: Planner | undefined;
  readonly #unwatch: () => void;
  #pools: readonly Pool[] = [];
  #decider: Decider;
  /** By the name of the pool. */
  #faults: ReadonlyMap<string, StrategyFaults> = new Map();
  /**
   * Who is told that a decision was late: the only pool's faults; with several pools an object for all, since it cannot
   * be told which was late.
   */
  #lateness: StrategyFaults;
  /** What strategies failed that nobody asks any more. */
  #formerFaults: FaultCounts = sumFaults([]);
  #lateFlows = 0;
  #onDecision: DecisionListener = () => undefined;

  /** Binds the queues; from here on packets are answered. @throws QueueError */
  constructor(parts: BalancerParts) {
    this.#parts = parts;
    const { logger, now, field, undecidedFrom } = parts;
    this.#isolation = new Isolation(logger, now);
    [this.#decider, this.#lateness] = this.#take(parts);
    const who =
      parts.poolField === undefined
        ? `strategy ${this.pools[0]!.strategy.name}`
        : `a ${parts.poolField}'s strategy`;
    const { open = Queues.open } = parts;
    this.#queues = open(
      {
        ...parts.queues,
        mask: field.mask,
        ...(undecidedFrom !== undefined && { undecidedFrom: field.encode(undecidedFrom) }),
        lateNotice: `wanmark: ${who} has not answered for a second; the kernel chooses\n`,
        onLate: (lateMs) => this.#late(lateMs),
        ...(parts.plans && { plans: parts.plans }),
        onTold: (batch, from, count, nowMs) => this.#told(batch, from, count, nowMs),
      },
      (batch, count) => this.#decider.decide(batch, count),
      parts.onLost,
    );
    const { plans, connections, states } = parts;
    this.#planner =
      plans &&
      new Planner(
        { plans, field, tell: () => this.#queues.tell(), onFault: (error) => this.#isolation.report(error) },
        now,
      );
    this.#unwatch = states.watch(() => this.#isolation.run(() => this.#planner?.refresh(), undefined));
    if (plans !== undefined) connections?.countPlanned(plans, field.shift);
    this.#plan(parts);
  }

  /** Has packets that come in by these devices asked about, whatever was chosen beforehand. */
  askByInterface(ifindexes: readonly number[]): void {
    this.#planner?.askByInterface(ifindexes);
  }

  /** Has packets of a flow asked about for a while, in milliseconds, whatever was chosen beforehand. */
  askByFlow(tuple: Tuple, forMs: number): void {
    this.#planner?.askByFlow(tuple, forMs);
  }

  /** The pools of the configuration in force. */
  get pools(): readonly Pool[] {
    return this.#pools;
  }

  /**
   * Goes over to another shape between two decisions; it cannot fail. A pool that is the same stays as it is, and a target
   * keeps its number of decisions in a pool of the same name.
   */
  reshape(shape: BalancerShape): void {
    const { field } = this.#parts;
    this.#formerFaults = this.faults();
    this.#planner?.pause();
    [this.#decider, this.#lateness] = this.#take(shape);
    this.#queues.setUndecidedFrom(shape.undecidedFrom === undefined ? 0 : field.encode(shape.undecidedFrom));
    this.#plan(shape);
  }

  readonly #takePlanned = (oldMark: number, family: number) => {
    const choice = this.#planner?.take(oldMark, family);
    if (choice !== undefined) choice.member.picks++;
    return choice;
  };

  #plan(shape: BalancerShape): void {
    const planned = shape.planned?.(this.#pools);
    if (planned !== undefined) this.#planner?.follow(planned);
  }

  /** Takes in what the queues settled on their own: counts it, and tells whoever is told of decisions. */
  #told(batch: Batch, from: number, count: number, nowMs: () => number): void {
    const flow = new BatchFlow(batch);
    let current = 0;
    const packet = () => packetBytes(batch, current);
    const when = { ageMs: 0, date: 0 };
    const ahead = dateAhead(nowMs);
    for (let i = from; i < from + count; i++) {
      const ageMs = Math.max(0, nowMs() - batch.atMs[i]!);
      when.ageMs = ageMs;
      when.date = ahead + batch.atMs[i]!;
      const mark = batch.marks[i]!;
      if (mark === KERNEL_DECIDES) {
        this.#decider.late(batch, i, ageMs);
        continue;
      }
      const chosen = this.#planner?.chosen(mark, batch.oldMark[i]!, batch.family[i]!);
      if (chosen === undefined) continue;
      current = i;
      chosen.member.picks++;
      this.#onDecision(chosen.pool, chosen.member, flow.at(i), packet, when);
    }
    this.#isolation.run(() => this.#planner?.refill(), undefined);
  }

  #take(shape: BalancerShape): [Decider, StrategyFaults] {
    const { logger, now, states, connections, field, tried, onError } = this.#parts;
    const { poolField, onDecision, onLateDecision, undecidedFrom } = shape;
    const single = poolField === undefined;
    this.#faults = new Map(
      shape.pools.map(({ name, strategy }) => {
        const own = single ? logger : logger.child({ [poolField]: name });
        return [name, new StrategyFaults(own, strategy.name, now)];
      }),
    );
    const before = this.#pools;
    this.#pools = shape.pools.map((parts) => {
      const had = before.find(({ name }) => name === parts.name);
      const onFault: PoolParts['onFault'] = (...fault) => this.#faults.get(parts.name)?.report(...fault);
      return renewed(had, { ...parts, states, onFault });
    });
    this.#onDecision = this.#isolation.around(onDecision, undefined);
    const lateness = single
      ? this.#faults.get(this.#pools[0]!.name)!
      : new StrategyFaults(logger, `a ${poolField}'s`, now);
    const decider = new Decider(
      shape.find(this.#pools),
      field,
      shape.inbound,
      (pool, member, flow, packet, when) => {
        this.#isolation.run(() => {
          connections?.decided(member.configured.mark);
          this.#planner?.asked(flow.oldMark, flow.family);
        }, undefined);
        this.#onDecision(pool, member, flow, packet, when);
      },
      {
        ...(tried && { tried: this.#isolation.around(tried, undefined) }),
        ...(onError && { onError: this.#isolation.around(onError, false) }),
        planned: this.#isolation.around(this.#takePlanned, undefined),
        onLate: this.#isolation.around(onLateDecision, undefined),
        undecidedFrom,
      },
    );
    return [decider, lateness];
  }

  /** The names of the targets that new connections of a family may be given to. */
  candidates(family: Family): ReadonlySet<string> {
    return new Set(this.pools.flatMap((pool) => pool.candidates(family).map(({ target }) => target.name)));
  }

  /** Drops the remembered decisions for a target. @param mark its number */
  forget(mark: number): void {
    const { field } = this.#parts;
    this.#queues.forget(field.encode(mark), field.mask);
  }

  /** The status of each pool's members, in their order, as `wanmark status` shows it. */
  status(): readonly (readonly MemberStatus[])[] {
    this.#queues.tell();
    // What is said of the counts from here on is what the next connection is chosen by.
    this.#isolation.run(() => this.#planner?.recount(), undefined);
    return this.pools.map((pool) =>
      withShares(pool.members.map((member) => this.#memberStatus(member, pool))),
    );
  }

  queueStatuses(): QueueStatus[] {
    return queueStatuses(this.#queues, this.#parts.queues.maxLen);
  }

  /** The faults of all its strategies. */
  faults(): FaultCounts {
    const all = new Set([...this.#faults.values(), this.#lateness]);
    return sumFaults([this.#formerFaults, ...[...all].map(({ counts }) => counts)]);
  }

  /** Resolves when every queue's thread has answered; see {@link Queues.ping}. */
  ping(): Promise<void> {
    return this.#queues.ping();
  }

  /**
   * Answers the packets that the kernel still holds, gives the queues back and logs a summary of each member.
   * @returns the counters of all queues together
   */
  async stop(): Promise<QueueStats> {
    const { logger, label } = this.#parts;
    this.#unwatch();
    this.#isolation.run(() => this.#planner?.stop(), undefined);
    await this.#queues.close();
    const lines = this.status();
    for (const [i, pool] of this.pools.entries()) {
      for (const [j, member] of pool.members.entries()) {
        const { mark, weight, picks, share } = lines[i]![j]!;
        const rounded = Math.round(share * 10_000) / 10_000;
        logger.info({ ...label(pool, member), mark, weight, picks, share: rounded }, 'summary');
      }
    }
    return this.#queues.stats();
  }

  /** Ends at once; for a daemon that cannot start. */
  closeNow(): void {
    for (const queue of this.#queues) queue.closeNow();
  }

  #memberStatus(member: Member, { stickiness }: Pool): Omit<MemberStatus, 'share' | 'target'> {
    const { target, configured, picks } = member;
    const { states, connections } = this.#parts;
    const { name, mark, weight, tier } = configured;
    const clients = stickiness?.clients(name);
    return {
      name,
      mark,
      ...(clients !== undefined && { clients }),
      weight: member.weight(states),
      tier,
      state: states.standing(target, weight),
      connections: connections?.count(mark) ?? null,
      picks,
    };
  }

  #late(lateMs: number): void {
    const { lateFlows } = this.#queues.stats();
    this.#lateness.late(lateMs, lateFlows - this.#lateFlows);
    this.#lateFlows = lateFlows;
  }
}

/** A pool in the place of one that there was: that itself where it is the same. */
function renewed(had: Pool | undefined, parts: PoolParts): Pool {
  if (had?.is(parts)) return had;
  const pool = new Pool(parts);
  for (const member of pool.members)
    member.picks = had?.members.find(({ target }) => target.name === member.target.name)?.picks ?? 0;
  return pool;
}
