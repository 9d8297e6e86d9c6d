import type { QueueStatus } from '../control/status.js';
import { readQueueTable } from '../queue/proc.js';
import type { Queue } from '../queue/queue.js';

/** The status of each queue, as `wanmark status` shows it: our own counters, and the kernel's where they may be read. */
export function queueStatuses(queues: Iterable<Queue>, length: number): QueueStatus[] {
  const table = readQueueTable();
  return [...queues].map((queue) => {
    const { verdicts, kernelDecided, lateFlows } = queue.stats();
    const kernel = table?.find(({ num }) => num === queue.num);
    return {
      num: queue.num,
      verdicts,
      waiting: kernel?.waiting ?? null,
      dropped: kernel?.dropped ?? null,
      userDropped: kernel?.userDropped ?? null,
      kernelDecided,
      late: lateFlows,
      length,
    };
  });
}

/** What stands in a status for the queues of a daemon that has none. */
export function noQueue({ num, length }: { readonly num: number; readonly length: number }): QueueStatus {
  return {
    num,
    verdicts: 0,
    waiting: null,
    dropped: null,
    userDropped: null,
    kernelDecided: 0,
    late: 0,
    length,
  };
}

/** Sums up several queues under the number of the first; undefined where there are none. */
export function queuesTogether(queues: readonly QueueStatus[]): QueueStatus | undefined {
  const [first, ...others] = queues;
  if (first === undefined) return undefined;
  const sum = (count: (queue: QueueStatus) => number) =>
    others.reduce((total, queue) => total + count(queue), count(first));
  // The kernel's counters are known for all queues or for none, since they come from one file.
  const known = (count: (queue: QueueStatus) => number | null) =>
    queues.some((queue) => count(queue) === null) ? null : sum((queue) => count(queue)!);
  return {
    num: first.num,
    verdicts: sum((queue) => queue.verdicts),
    waiting: known((queue) => queue.waiting),
    dropped: known((queue) => queue.dropped),
    userDropped: known((queue) => queue.userDropped),
    kernelDecided: sum((queue) => queue.kernelDecided),
    late: sum((queue) => queue.late),
    length: sum((queue) => queue.length),
  };
}
