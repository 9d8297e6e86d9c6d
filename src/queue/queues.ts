import type { QueueError } from './errors.js';
import { type Decide, Queue, type QueueOptions, type QueueStats } from './queue.js';

/** As of one queue; `num` is the first number. */
export interface QueuesOptions extends QueueOptions {
  /** How many, 1 or more. */
  readonly count: number;
}

/**
 * Netfilter queues with numbers in a row that one `decide` answers: each has an I/O thread, `decide` runs on the one
 * thread that opened them. A rule with `--queue-balance` keeps a flow to one of them, by its addresses.
 */
export class Queues {
  readonly #all: readonly Queue[];

  /**
   * Opens all of them or none.
   * @throws QueueError when the system refuses one; RangeError for an option out of range
   */
  static open(options: QueuesOptions, decide: Decide, onError?: (error: QueueError) => void): Queues {
    const { count, lateNotice, ...common } = options;
    const all: Queue[] = [];
    try {
      for (let num = options.num; num < options.num + count; num++) {
        // Each thread says it for itself: they share nothing, not even this.
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

  /** By number. */
  [Symbol.iterator](): Iterator<Queue> {
    return this.#all[Symbol.iterator]();
  }

  /** As {@link Queue.close}, of all at once. */
  async close(): Promise<void> {
    await Promise.all(this.#all.map((queue) => queue.close()));
  }

  /** All counters together. */
  stats(): QueueStats {
    return this.#all.map((queue) => queue.stats()).reduce(plus);
  }

  /** Resolves when every I/O thread has answered; see {@link Queue.ping}. */
  async ping(): Promise<void> {
    await Promise.all(this.#all.map((queue) => queue.ping()));
  }

  /** As {@link Queue.forget}, in all of them. */
  forget(mark: number, mask?: number): number {
    return this.#all.reduce((sum, queue) => sum + queue.forget(mark, mask), 0);
  }
}

function plus(a: QueueStats, b: QueueStats): QueueStats {
  return { ...numbers(a, b), errors: numbers(a.errors, b.errors) } as QueueStats;
}

/** The sums of what are numbers. */
function numbers<T extends object>(a: T, b: T): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [key, value] of Object.entries(a)) {
    if (typeof value === 'number') sums[key] = value + (b as Record<string, number>)[key]!;
  }
  return sums;
}
