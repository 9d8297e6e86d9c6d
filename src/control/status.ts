import type { RateHistory } from '../core/byte-meter.js';
import type { Family } from '../core/family.js';
import type { Standing } from '../core/states.js';

/** The state of a WAN in one family. */
export interface FamilyStatus {
  readonly family: Family;
  readonly state: 'up' | 'suspected' | 'down';
  readonly since: string;
  readonly reason: string;
  readonly upAt: string | null;
  /** How often it went up or down since the start. */
  readonly changes: number;
}

/** The probes to a target of a check since the start, those aside that say nothing about the WAN. */
export interface ProbeCounts {
  readonly target: string;
  readonly answered: number;
  readonly lost: number;
}

/** A check, by what it asks. */
export interface AwaitedCheck {
  readonly kind: string;
  readonly family: Family;
  readonly targets: readonly string[];
}

/** What a check found in its last round. */
export interface CheckStatus extends AwaitedCheck {
  /** ISO 8601: when the round ended. */
  readonly at: string;
  /** How many of the targets answered. */
  readonly answered: number;
  /** The shortest round trip of the round in milliseconds; null where none was measured. */
  readonly rttMs: number | null;
  /** The part of the probes of the last minute that were lost, 0..1. */
  readonly loss: number;
  /** Why the round found nothing out about the WAN, such as `socket: EMFILE`; null when it did. */
  readonly unknown: string | null;
  /** What became of its probes, in the order of the targets. */
  readonly probes: readonly ProbeCounts[];
}

/** One member of a pool. Fields may be added, never renamed. */
export interface MemberStatus {
  readonly name: string;
  readonly mark: number;
  /** The current weight. */
  readonly weight: number;
  readonly tier: number;
  readonly state: Standing;
  /**
   * Live connections: those that left by the WAN, or that came in for the backend; null where they cannot be counted, or
   * not within 3 s.
   */
  readonly connections: number | null;
  /** Decisions, those of earlier daemons since the boot among them. */
  readonly picks: number;
  /** The member's part of all decisions, 0..1. */
  readonly share: number;
  /** The part that its weight would give it among the members that take connections, 0..1. */
  readonly target: number;
  /** How many clients are kept on it; given only where the policy is sticky. */
  readonly clients?: number;
}

/** How a policy keeps its clients. Fields may be added, never renamed. */
export interface StickyStatus {
  readonly by: 'src' | 'src+dst';
  readonly forSeconds: number;
  /** Null where no client ever leaves a WAN that has too many. */
  readonly bound: number | null;
  /** How many clients, or pairs, of both families it remembers. */
  readonly clients: number;
  /** Connections that went by the WAN that their client had, since the start. */
  readonly hits: number;
  /** Clients that got another WAN than they had. */
  readonly moves: number;
  /** Clients that were forgotten before their time, to make room. */
  readonly evictions: number;
  /** Whether the kernel has a copy, which holds without the daemon and over a restart. */
  readonly kernel: boolean;
}

/** A member that is judged, and can be set by hand. Fields may be added, never renamed. */
export interface JudgedStatus extends MemberStatus {
  /** The weight in the configuration; given only where `wanmark set` changed it. */
  readonly configuredWeight?: number;
  /** Given only where `wanmark set` holds it down. */
  readonly setState?: 'down';
  /** ISO 8601: when its state last changed. */
  readonly since: string;
  /** Why it is in this state. */
  readonly reason: string;
  /** ISO 8601: when it will be up if it keeps working; null while it is up, or does not work. */
  readonly upAt: string | null;
  /** The part of its usual share that it gets while it warms up, 0.1 to 1; null when it gets all of it. */
  readonly warmUp: number | null;
  /** The state in each family that it carries. */
  readonly families: readonly FamilyStatus[];
  /** The last round of each check. */
  readonly checks: readonly CheckStatus[];
  /** The checks whose first round is not over; given only where there are some. */
  readonly awaited?: readonly AwaitedCheck[];
}

/** What a WAN carried since its calendar month began in the machine's time zone, or since it was first counted in it. */
export interface MonthStatus {
  /** ISO 8601. */
  readonly since: string;
  readonly inBytes: number;
  readonly outBytes: number;
}

/** What went by a WAN, whoever decided. Fields may be added, never renamed. */
export interface TrafficStatus {
  /** Bytes that came in by it, since its device was made or the rules were. */
  readonly inBytes: number;
  /** Bytes that left by it. */
  readonly outBytes: number;
  /** Bits a second over the last six seconds; null until they are known, and while the device is away. */
  readonly inBitsPerSecond: number | null;
  readonly outBitsPerSecond: number | null;
  /**
   * `device`: counters of the device, with the headers of its link; `rules`: those of our rules where WANs share a device, of
   * packets that have the WAN's mark.
   */
  readonly counter: 'device' | 'rules';
  /** Those of this month, over restarts and boots; null where nobody has counted them. */
  readonly month: MonthStatus | null;
}

/** One WAN in `wanmark status --json`. Fields may be added, never renamed. */
export interface WanStatus extends JudgedStatus {
  /** Empty for a bare mark. */
  readonly dev: string;
  /** Null for a bare mark, and where nothing was counted yet. */
  readonly traffic: TrafficStatus | null;
}

/** One backend of a service; its fields are those of a WAN. */
export type BackendStatus = JudgedStatus;

/** One service in `wanmark status --json`. */
export interface ServiceStatus {
  readonly name: string;
  /** The address and ports as in `listen=`. */
  readonly listen: string;
  readonly strategy: string;
  /** The backends, named by their endpoints as in `to=`. */
  readonly backends: readonly BackendStatus[];
}

/** One policy in `wanmark status --json`. Fields may be added, never renamed. */
export interface PolicyStatus {
  readonly name: string;
  readonly strategy: string;
  /** Where its connections go when no WAN of it is up: `main`, `unreachable`, `blackhole` or a policy. */
  readonly none: string;
  /** Null where each connection gets its own WAN. */
  readonly sticky: StickyStatus | null;
  /** Its WANs with the policy's own weights and tiers; live connections are those of the WAN by all policies. */
  readonly wans: readonly MemberStatus[];
}

/** How often a strategy failed, so that the kernel chose in its place. */
export interface FaultCounts {
  /** Connections for which the strategy threw. */
  readonly threw: number;
  /** Connections for which it returned something that is not a candidate: nothing, or a WAN that is down. */
  readonly noCandidate: number;
  /** How often it missed the deadline; the log says how many connections that cost each time. */
  readonly late: number;
}

/** One of the daemon's queues. */
export interface QueueStatus {
  readonly num: number;
  /** Packets answered since the start. */
  readonly verdicts: number;
  /** Packets waiting in the kernel's queue; null where its counters may not be read (only real root may). */
  readonly waiting: number | null;
  /** Packets dropped because the queue was full; null as for `waiting`. */
  readonly dropped: number | null;
  /** Packets dropped because the daemon's receive buffer was full; null as for `waiting`. */
  readonly userDropped: number | null;
  /** Packets left to the kernel's choice because the decision was late or the strategy failed. */
  readonly kernelDecided: number;
  /** Those of them that were left because the decision was late; one for each flow, however many packets it had. */
  readonly late: number;
  /** Packets that may wait before the kernel chooses itself. */
  readonly length: number;
}

/** The choices that are written into the rules, with engine `ahead`. Fields may be added, never renamed. */
export interface AheadStatus {
  /** How often they were written since the start. */
  readonly writes: number;
  /** Why the latest ones are not in the rules; null where they are. */
  readonly failure: string | null;
  /** How often connections began faster than they could be told of, so that some have no line in the mark log. */
  readonly lost: number;
}

/** The output of `wanmark status --json` where no daemon answers and the rules are up. Fields may be added, never renamed. */
export interface KernelStatus {
  /** Null: there is no daemon. */
  readonly pid: null;
  /** With `kernel` none is needed; with `ahead` the choices of the last one go on. */
  readonly engine: 'nfqueue' | 'kernel' | 'ahead';
  readonly wans: readonly (Pick<
    WanStatus,
    'name' | 'mark' | 'dev' | 'weight' | 'tier' | 'state' | 'target' | 'traffic'
  > & {
    /** When the state last changed, and why, as the journal has it; null where it does not. */
    readonly since: string | null;
    readonly reason: string | null;
    /** Connections with the WAN's mark, also those that came in by it; null where conntrack cannot be read. */
    readonly connections: number | null;
  })[];
  readonly policies: readonly {
    readonly name: string;
    readonly none: string;
    readonly wans: readonly Pick<MemberStatus, 'name' | 'weight' | 'tier' | 'state' | 'target'>[];
  }[];
  readonly notes: readonly string[];
}

/** The rules that the daemon keeps. */
export interface RulesStatus {
  /** Whether `up` was run and `down` was not. */
  readonly up: boolean;
  /** Why they do not go by the daemon's states at the moment; null where they do, or are not up. */
  readonly failure: string | null;
}

/** The answer to `GET /v1/status`. Fields may be added, never renamed. */
export interface StatusV1 extends Status {
  readonly api: 1;
  /** ISO 8601: when it was made. */
  readonly at: string;
  /** The daemon's version. */
  readonly version: string;
  /** Null where the rules belong to the user. */
  readonly rules: RulesStatus | null;
  /** The rates of each WAN over the last ten minutes, by name; given only with `history=yes`. */
  readonly history?: Readonly<Record<string, RateHistory>>;
}

/** The output of `wanmark status --json`. Fields may be added, never renamed. */
export interface Status {
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly strategy: string;
  /** Given only with engine `ahead`. */
  readonly ahead?: AheadStatus;
  /** The WANs' queues, summed up; without WANs, the services' queue. With engine `ahead` there is none, and all is 0. */
  readonly queue: QueueStatus;
  /** Each of the WANs' queues; empty without WANs, and with engine `ahead`. */
  readonly queues: readonly QueueStatus[];
  /** Why connections were left to the kernel. */
  readonly faults: FaultCounts;
  readonly wans: readonly WanStatus[];
  /** How the connections that no rule is for keep their WANs; null where they do not. */
  readonly sticky: StickyStatus | null;
  /** The policies that a rule leads to, apart from `default`; empty without rules. */
  readonly policies: readonly PolicyStatus[];
  /** The services' queue; null without services. */
  readonly serviceQueue: QueueStatus | null;
  /** The faults of all services' strategies together; null without services. */
  readonly serviceFaults: FaultCounts | null;
  readonly services: readonly ServiceStatus[];
  /** What a person should know of the kernel's rules, a line each; most often none. */
  readonly notes: readonly string[];
}
