import type { QueueError } from './errors.js';
import { type Decide, Queue, type QueueOptions, type QueueStats } from './queue.js';

/** Options of several queues: those of one queue, where `num` is the first number, and the count. */
export interface QueuesOptions extends QueueOptions {
  /** How many queues, 1 or more. */
  readonly count: number;
}

/**
 * Netfilter queues with consecutive numbers that one `decide` answers. Each has an I/O thread of its own; `decide` runs
 * on the thread that opened the queues. A rule with `--queue-balance` keeps a flow on one queue, by its addresses.
 */
export class Queues {
  readonly #all: readonly Queue[];

  /**
   * Opens all queues or none.
   * @throws QueueError when the system refuses one of them; RangeError for an option out of range
   */
  static open(options: QueuesOptions, decide: Decide, onError?: (error: QueueError) => void): Queues {
    const { count, lateNotice, ...common } = options;
    const all: Queue[] = [];
    try {
      for (let num = options.num; num < options.num + count; num++) {
        // Each queue has its own notice with its number, since the I/O threads share nothing.
        const notice = count === 1 ? lateNotice : lateNotice?.replace('wanmark:', `wanmark: queue ${num}:`);
        const late = notice === undefined ? {} : { lateNotice: notice };
        all.push(Queue.open({ ...common, ...late, num }, decide, onError));
      }
    } catch (error) {
      for (const queue of all) queue.closeNow();
      throw error;
    }
    return new Queues(all);
  }

  private constructor(all: readonly Queue[]) {
    this.#all = all;
  }

  /** Iterates over the queues in the order of their numbers. */
  [Symbol.iterator](): Iterator<Queue> {
    return this.#all[Symbol.iterator]();
  }

  /** Closes all queues at once; see {@link Queue.close}. */
  async close(): Promise<void> {
    await Promise.all(this.#all.map((queue) => queue.close()));
  }

  /** The counters of all queues, added up. */
  stats(): QueueStats {
    return this.#all.map((queue) => queue.stats()).reduce(plus);
  }

  /** Resolves when the I/O thread of every queue has answered; see {@link Queue.ping}. */
  async ping(): Promise<void> {
    await Promise.all(this.#all.map((queue) => queue.ping()));
  }

  /** Does what {@link Queue.tell} says, for all queues. */
  tell(): void {
    for (const queue of this.#all) queue.tell();
  }

  /** Does what {@link Queue.setUndecidedFrom} says, for all queues. */
  setUndecidedFrom(value: number): void {
    for (const queue of this.#all) queue.setUndecidedFrom(value);
  }

  /** Drops remembered decisions in all queues; see {@link Queue.forget}. */
  forget(mark: number, mask?: number): number {
    return this.#all.reduce((sum, queue) => sum + queue.forget(mark, mask), 0);
  }
}

function plus(a: QueueStats, b: QueueStats): QueueStats {
  return { ...numbers(a, b), errors: numbers(a.errors, b.errors) } as QueueStats;
}

/** The sums of the fields that are numbers. */
function numbers<T extends object>(a: T, b: T): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [key, value] of Object.entries(a)) {
    if (typeof value === 'number') sums[key] = value + (b as Record<string, number>)[key]!;
  }
  return sums;
}
