/** What a strategy file, or a program that embeds wanmark, needs. */
export type { Flow } from './core/flow.js';
export type { Strategy, StrategyContext, StrategyFactory } from './core/strategy.js';
export type { Wan } from './core/wan.js';
export { SystemError, UsageError, WanmarkError } from './errors.js';
export { Queue, QueueError, type QueueOptions, type QueueStats } from './queue/queue.js';
