import type { AheadStatus, FaultCounts, MemberStatus, QueueStatus } from '../control/status.js';
import type { Family } from '../core/family.js';
import type { Pool } from '../core/pool.js';
import type { Tuple } from '../core/tuple.js';
import type { QueueStats } from '../queue/queue.js';
import type { BalancerShape } from './balancer-shape.js';

/** What spreads new connections over pools: `Balancer` answers packets of queues, `RingBalancer` writes into the rules. */
export interface Chooser {
  /** The pools of the configuration in force. */
  readonly pools: readonly Pool[];
  /** Resolves when connections are chosen for, as far as that can be had soon. */
  ready(): Promise<void>;
  /** Goes over to another shape between two decisions; it cannot fail. */
  reshape(shape: BalancerShape): void;
  /** The names of the targets that new connections of a family may be given to. */
  candidates(family: Family): ReadonlySet<string>;
  /** Drops the remembered decisions for a target. @param mark its number */
  forget(mark: number): void;
  /** Has packets that come in by these devices asked about, whatever was chosen beforehand. */
  askByInterface(ifindexes: readonly number[]): void;
  /** Has packets of a flow asked about for a while, in milliseconds, whatever was chosen beforehand. */
  askByFlow(tuple: Tuple, forMs: number): void;
  /** Settles when the numbers of decisions are of now. */
  fresh(): Promise<void>;
  /** Takes what was decided into the members' numbers of decisions, as far as that is known without waiting for it. */
  count(): void;
  /** The status of each pool's members, in their order, as `wanmark status` shows it. */
  status(): readonly (readonly MemberStatus[])[];
  queueStatuses(): QueueStatus[];
  /** What has become of the choices that are written into the rules; undefined where none are. */
  aheadStatus(): AheadStatus | undefined;
  /** To be called when addresses or routes of the router may have changed. */
  lookAround(): void;
  /** The faults of all its strategies. */
  faults(): FaultCounts;
  /** Resolves when every thread that decides has answered. */
  ping(): Promise<void>;
  /** Ends, and logs a summary of each member. @returns the counters of all queues together, where there are any */
  stop(): Promise<QueueStats | undefined>;
  /** Ends at once; for a daemon that cannot start. */
  closeNow(): void;
}
