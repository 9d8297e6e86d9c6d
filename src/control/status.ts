import type { Family } from '../core/family.js';
import type { Standing } from '../core/states.js';

/** A WAN in one family. */
export interface FamilyStatus {
  readonly family: Family;
  readonly state: 'up' | 'down';
  readonly since: string;
  readonly reason: string;
  readonly upAt: string | null;
}

/** One member of a pool. Fields may be added, never renamed. */
export interface MemberStatus {
  readonly name: string;
  readonly mark: number;
  /** That of the moment. */
  readonly weight: number;
  readonly tier: number;
  readonly state: Standing;
  /** Live connections; null where nobody can count, or not within 3 s. */
  readonly connections: number | null;
  /** Decisions since the start. */
  readonly picks: number;
  /** Of all decisions, 0..1. */
  readonly share: number;
  /** What the weights of the members that take connections would give, 0..1. */
  readonly target: number;
}

/** One WAN in `wanmark status --json`. Fields may be added, never renamed. */
export interface WanStatus extends MemberStatus {
  /** Empty for a bare mark. */
  readonly dev: string;
  /** Only where it differs, by `wanmark set`. */
  readonly configuredWeight?: number;
  /** Only where `wanmark set` says so. */
  readonly setState?: 'down';
  /** ISO 8601: when its state last changed. */
  readonly since: string;
  /** Why it is as it is. */
  readonly reason: string;
  /** ISO 8601: when it will be up if it goes on to work; null while it is up, or does not work. */
  readonly upAt: string | null;
  /** How far it has got since it came up, 0.1 to 1, of what its strategy would give it; null when that is all. */
  readonly warmUp: number | null;
  /** The same for each family that it carries. */
  readonly families: readonly FamilyStatus[];
}

/** One backend of a service; its fields are those of a WAN. */
export type BackendStatus = MemberStatus;

/** One service in `wanmark status --json`. */
export interface ServiceStatus {
  readonly name: string;
  /** As in `listen=`. */
  readonly listen: string;
  readonly strategy: string;
  /** Their names are where they are, as in `to=`. */
  readonly backends: readonly BackendStatus[];
}

/** How often a strategy did not do its part, and the kernel chose in its place. */
export interface FaultCounts {
  /** Connections for which it threw. */
  readonly threw: number;
  /** Connections for which it returned something that is no candidate: nothing, or a WAN that is down. */
  readonly noCandidate: number;
  /** Times that it missed the deadline; how many connections each cost is in the log. */
  readonly late: number;
}

/** One of the daemon's queues. */
export interface QueueStatus {
  readonly num: number;
  /** Packets answered since the start. */
  readonly verdicts: number;
  /** Of the kernel's own counters; null where they may not be read (only real root may). */
  readonly waiting: number | null;
  /** Dropped because the queue was full. */
  readonly dropped: number | null;
  /** Dropped because the daemon's receive buffer was full. */
  readonly userDropped: number | null;
  /** Left to the kernel's choice: late, or the strategy failed. */
  readonly kernelDecided: number;
  /** Packets that may wait before the kernel chooses itself. */
  readonly length: number;
}

/** `wanmark status --json`. Fields may be added, never renamed. */
export interface Status {
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly strategy: string;
  /** That of the WANs, all of them together where there are several; where there are no WANs, that of the services. */
  readonly queue: QueueStatus;
  /** Those of the WANs, each; empty where there are none. */
  readonly queues: readonly QueueStatus[];
  /** Why connections were left to the kernel. */
  readonly faults: FaultCounts;
  readonly wans: readonly WanStatus[];
  /** That of the services; null where there are none. */
  readonly serviceQueue: QueueStatus | null;
  /** As `faults`, of all services together; null where there are none. */
  readonly serviceFaults: FaultCounts | null;
  readonly services: readonly ServiceStatus[];
}
