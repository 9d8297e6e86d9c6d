import { readQueueTable } from '../queue/proc.js';
import type { Queue } from '../queue/queue.js';
import type { QueueStatus } from './status.js';

/** What `wanmark status` shows of a queue: our own counters, and the kernel's where they may be read. */
export function queueStatus(queue: Queue, length: number): QueueStatus {
  const { verdicts, kernelDecided } = queue.stats();
  const kernel = readQueueTable()?.find(({ num }) => num === queue.num);
  return {
    num: queue.num,
    verdicts,
    waiting: kernel?.waiting ?? null,
    dropped: kernel?.dropped ?? null,
    userDropped: kernel?.userDropped ?? null,
    kernelDecided,
    length,
  };
}
