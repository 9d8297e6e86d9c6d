import { UsageError } from '../errors.js';
import { parseInteger } from './number.js';
import { SERVICE_OPTIONS } from './options/services.js';
import type { RawConfig } from './options.js';
import { readInteger, readText } from './raw.js';
import type { TargetLists } from './targets.js';

/** The NFQUEUEs that the kernel's rules and the daemon must agree on, and how the daemon answers them. */
export interface QueuesConfig {
  /** Number of the first queue of the WANs, 0..65535. */
  readonly num: number;
  /** How many queues the WANs have, 1..16: `num` and those behind it. */
  readonly count: number;
  /** Number of the one queue of all services, 0..65535. */
  readonly services: number;
  /** The most packets that the kernel holds for the daemon, in each queue, 1..65536. */
  readonly length: number;
  /** Milliseconds that a packet waits for a decision, 1..10000. */
  readonly deadlineMs: number;
}

/** @throws UsageError */
export function parseQueues(raw: RawConfig, { targets, services }: TargetLists): QueuesConfig {
  const num = readInteger(raw, 'queue-num');
  const count = readInteger(raw, 'queues');
  if (raw.queues !== undefined && targets.length === 0)
    throw new UsageError('--queues is for the uplinks of --wan; all services have one queue');
  if (num + count - 1 > 65535)
    throw new UsageError(
      `queues ${count} from queue-num ${num} on end beyond 65535; use a lower --queue-num`,
    );
  return Object.freeze({
    num,
    count,
    // Without services the default number may lie beyond the last queue; nobody opens it.
    services: services.length === 0 ? num : serviceQueue(raw, num, count),
    length: readInteger(raw, 'queue-length'),
    deadlineMs: readInteger(raw, 'deadline'),
  });
}

function serviceQueue(raw: RawConfig, num: number, count: number): number {
  const behind = num + count;
  const value = readText(raw, 'service-queue') ?? String(behind);
  const queue = parseInteger('service-queue', value, ...SERVICE_OPTIONS['service-queue'].range);
  if (queue < num || queue >= behind) return queue;
  const which = count === 1 ? 'the queue' : `one of the ${count} queues`;
  throw new UsageError(`service-queue ${queue} is ${which} of the WANs; give it a number of its own`);
}
