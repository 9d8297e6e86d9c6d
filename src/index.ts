/** The public API: what a strategy file, or a program that embeds wanmark, needs. */
export type {
  BackendStatus,
  FamilyStatus,
  QueueStatus,
  ServiceStatus,
  Status,
  WanStatus,
} from './control/status.js';
export {
  type Batch,
  COPY_BYTES,
  DROP,
  FLAG_FRAGMENT,
  FLAG_TRUNCATED,
  KERNEL_DECIDES,
} from './core/batch.js';
export type { Candidate } from './core/candidate.js';
export type { Connections } from './core/counts.js';
export type { Flow } from './core/flow.js';
export { flowHash, HASH_FIELDS, type HashField } from './core/flow-hash.js';
export type { Standing } from './core/states.js';
export { failover } from './core/strategies/failover.js';
export { byHash } from './core/strategies/hash.js';
export { leastConnections } from './core/strategies/least-connections.js';
export { neverQueue } from './core/strategies/never-queue.js';
export { random } from './core/strategies/random.js';
export { STRATEGIES } from './core/strategies/registry.js';
export { roundRobin } from './core/strategies/round-robin.js';
export { shortestExpectedDelay } from './core/strategies/shortest-expected-delay.js';
export { sourceHash } from './core/strategies/source-hash.js';
export { twoChoices } from './core/strategies/two-choices.js';
export { weighted } from './core/strategies/weighted.js';
export {
  defineStrategy,
  NEEDS,
  type Need,
  NO_TURNS,
  PerSet,
  type SequenceForm,
  type Strategy,
  type StrategyContext,
  type StrategyFactory,
  type TableForm,
} from './core/strategy.js';
export { byPlace, PLACES, placeOf } from './core/table.js';
export type { Tuple } from './core/tuple.js';
export type { Wan } from './core/wan.js';
export { SystemError, UsageError, WanmarkError } from './errors.js';
export {
  type Decide,
  Queue,
  QueueError,
  type QueueErrorCode,
  type QueueOptions,
  type QueueStats,
} from './queue/queue.js';
