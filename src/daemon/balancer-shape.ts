import type { EventSink } from '../core/event.js';
import type { Pool } from '../core/pool.js';
import type { QueueError } from '../queue/queue.js';
import type { Wanted } from './ahead/begun.js';
import type { PlannerShape } from './ahead/planner.js';
import type { DeciderOptions, DecisionListener, FindPool, Inbound, LateListener } from './decider.js';
import type { PoolSetParts, PoolsShape } from './pool-set.js';

/** The surroundings that every balancer is given. */
export interface BalancerContext extends PoolSetParts {
  /** Takes down what happens; by default nothing is. */
  readonly events?: EventSink;
  /** Called when a queue is lost, so that the balancer cannot decide any more. */
  readonly onLost: (error: QueueError) => void;
}

/** What a balancer chooses among, and how it finds it: all that another configuration can change while it runs. */
export interface BalancerShape extends PoolsShape {
  /** See {@link DeciderOptions.undecidedFrom}. */
  readonly undecidedFrom?: DeciderOptions['undecidedFrom'];
  /** Makes the function that finds the pool that a packet is for. */
  readonly find: (pools: readonly Pool[]) => FindPool;
  readonly inbound: Inbound;
  /**
   * Told of each decision after it was counted; of those that were made beforehand, only of some where
   * {@link PlannerShape.tellsEach} says so. An exception costs nothing but what it was told for.
   */
  readonly onDecision: DecisionListener;
  /** What choices are made beforehand for; by default every packet is asked about. */
  readonly planned?: (pools: readonly Pool[]) => PlannerShape;
  /** Which connections {@link BalancerShape.onDecision} is told of, where packets are not seen; by default none. */
  readonly told?: Wanted;
  /** Told of each connection that the kernel chose for because the decision was late. An exception costs nothing. */
  readonly onLateDecision: LateListener;
}
