import type { FaultCounts, MemberStatus, QueueStatus } from '../control/status.js';
import { type Batch, KERNEL_DECIDES } from '../core/batch.js';
import type { Family } from '../core/family.js';
import { BatchFlow } from '../core/flow.js';
import type { MarkField } from '../core/mark.js';
import type { Pool } from '../core/pool.js';
import type { Tuple } from '../core/tuple.js';
import type { Plans } from '../queue/plans.js';
import type { QueueStats } from '../queue/queue.js';
import { Queues, type QueuesOptions } from '../queue/queues.js';
import { Planner } from './ahead/planner.js';
import type { BalancerContext, BalancerShape } from './balancer-shape.js';
import type { Chooser } from './chooser.js';
import { Decider, type DecisionListener, type ErrorListener, packetBytes, type Tried } from './decider.js';
import { Isolation } from './isolation.js';
import { dateAhead } from './moment.js';
import { type Label, PoolSet } from './pool-set.js';
import { queueStatuses } from './queue-status.js';

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
export class Balancer implements Chooser {
  readonly #parts: BalancerParts;
  readonly #queues: Queues;
  readonly #isolation: Isolation;
  readonly #planner: Planner | undefined;
  readonly #unwatch: () => void;
  readonly #set: PoolSet;
  #decider: Decider;
  #lateFlows = 0;
  #onDecision: DecisionListener = () => undefined;

  /** Binds the queues; from here on packets are answered. @throws QueueError */
  constructor(parts: BalancerParts) {
    this.#parts = parts;
    const { logger, now, field, undecidedFrom } = parts;
    this.#isolation = new Isolation(logger, now);
    this.#set = new PoolSet(parts);
    this.#decider = this.#take(parts);
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
    return this.#set.all;
  }

  async ready(): Promise<void> {}

  async fresh(): Promise<void> {}

  aheadStatus(): undefined {
    return undefined;
  }

  lookAround(): void {}

  /**
   * Goes over to another shape between two decisions; it cannot fail. A pool that is the same stays as it is, and a target
   * keeps its number of decisions in a pool of the same name.
   */
  reshape(shape: BalancerShape): void {
    const { field } = this.#parts;
    this.#planner?.pause();
    this.#decider = this.#take(shape);
    this.#queues.setUndecidedFrom(shape.undecidedFrom === undefined ? 0 : field.encode(shape.undecidedFrom));
    this.#plan(shape);
  }

  readonly #takePlanned = (oldMark: number, family: number) => {
    const choice = this.#planner?.take(oldMark, family);
    if (choice !== undefined) choice.member.picks++;
    return choice;
  };

  #plan(shape: BalancerShape): void {
    const planned = shape.planned?.(this.pools);
    if (planned !== undefined) this.#planner?.follow(planned);
  }

  /** Takes in what the queues settled on their own, as far as they tell of it, and tells whoever is told of decisions. */
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
      this.#onDecision(chosen.pool, chosen.member, flow.at(i), packet, when);
    }
    this.#isolation.run(() => this.#planner?.refill(), undefined);
  }

  #take(shape: BalancerShape): Decider {
    const { connections, field, tried, onError } = this.#parts;
    const { onDecision, onLateDecision, undecidedFrom } = shape;
    this.#set.take(shape);
    this.#onDecision = this.#isolation.around(onDecision, undefined);
    return new Decider(
      shape.find(this.pools),
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
  }

  /** The names of the targets that new connections of a family may be given to. */
  candidates(family: Family): ReadonlySet<string> {
    return this.#set.candidates(family);
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
    this.count();
    return this.#set.status();
  }

  /** Takes what was decided by now into the members' numbers of decisions. */
  count(): void {
    this.#isolation.run(() => this.#planner?.count(), undefined);
  }

  queueStatuses(): QueueStatus[] {
    return queueStatuses(this.#queues, this.#parts.queues.maxLen);
  }

  /** The faults of all its strategies. */
  faults(): FaultCounts {
    return this.#set.faults();
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
    this.#unwatch();
    this.#isolation.run(() => this.#planner?.stop(), undefined);
    await this.#queues.close();
    this.status();
    this.#set.summarize(this.#parts.label);
    return this.#queues.stats();
  }

  /** Ends at once; for a daemon that cannot start. */
  closeNow(): void {
    for (const queue of this.#queues) queue.closeNow();
  }

  #late(lateMs: number): void {
    const { lateFlows } = this.#queues.stats();
    this.#set.lateness.late(lateMs, lateFlows - this.#lateFlows);
    this.#lateFlows = lateFlows;
  }
}
