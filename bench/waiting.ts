import type { Host } from '#wanmark/lab/host.js';
import { parseQueueTable, type QueueEntry } from '#wanmark/queue/proc.js';

const POLL_MS = 10;

/** The kernel's queues on a host. */
export async function queuesOn(host: Host): Promise<QueueEntry[]> {
  const { stdout } = await host.sh('f=/proc/net/netfilter/nfnetlink_queue; ! [ -e $f ] || cat $f');
  return parseQueueTable(stdout);
}

/**
 * Waits until the queues are empty: packets still in a queue have cost nothing yet and have not arrived.
 * @throws {Error} after `timeoutMs`
 */
export async function answered(host: Host, timeoutMs = 60_000): Promise<void> {
  for (const end = performance.now() + timeoutMs; ; ) {
    const waiting = (await queuesOn(host)).reduce((sum, queue) => sum + queue.waiting, 0);
    if (waiting === 0) return;
    if (performance.now() > end) throw new Error(`${waiting} packets still wait for a verdict`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
