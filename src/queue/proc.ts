import { readFileSync } from 'node:fs';

/** One line of /proc/net/netfilter/nfnetlink_queue: a queue of this network namespace (seq_show). */
export interface QueueEntry {
  num: number;
  /** Netlink port id of the socket that holds the queue; often, but not always, its process id. */
  portId: number;
  /** Packets that wait for a verdict. */
  waiting: number;
  /** What of a packet is copied: 0 nothing, 1 metadata, 2 the packet. */
  copyMode: number;
  copyRange: number;
  /** Packets dropped because the queue was full. Packets let through by fail-open are not counted anywhere. */
  dropped: number;
  /** Packets dropped because the socket's receive buffer was full. */
  userDropped: number;
  /** Id of the packet queued last, which counts the queued packets in 32 bits that wrap. */
  sequence: number;
}

const QUEUE_TABLE = '/proc/net/netfilter/nfnetlink_queue';

/** Reads lines as the kernel writes them; a line of another shape is left out. */
export function parseQueueTable(text: string): QueueEntry[] {
  const entries: QueueEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/).map(Number);
    if (fields.length < 8 || !fields.every(Number.isInteger)) continue;
    const [num, portId, waiting, copyMode, copyRange, dropped, userDropped, sequence] = fields as [
      ...(readonly [number, number, number, number, number, number, number, number]),
    ];
    entries.push({ num, portId, waiting, copyMode, copyRange, dropped, userDropped, sequence });
  }
  return entries;
}

/**
 * Reads the queues of this network namespace: none when the kernel has no NFQUEUE loaded; undefined when this process
 * may not read them (EACCES), since the file is the real root's, even for the root of a user namespace.
 */
export function readQueueTable(path: string = QUEUE_TABLE): QueueEntry[] | undefined {
  try {
    return parseQueueTable(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}
