import type { CheckConfig } from '../config/check.js';
import type { Config } from '../config/config.js';
import type { Status } from '../control/status.js';
import type { Family } from '../core/family.js';
import type { Address } from '../plan/facts.js';
import type { Plan } from '../plan/plan.js';
import type { CheckResult } from '../wan/check/check.js';

/** The rules of the last `up`, as they are found. */
export type RulesFacts =
  | { readonly state: 'not up' | 'of another version' }
  /** Nobody could look. */
  | { readonly state: 'unseen'; readonly why: string }
  | {
      readonly state: 'seen';
      /** A line for each table, ip rule, route and setting that lacks something. */
      readonly missing: readonly string[];
      /** Whether a configuration was given and asks for other rules. */
      readonly differs: boolean;
    };

/** Settings of the kernel. */
export interface SettingFacts {
  /** Whether packets are forwarded at all; undefined where that cannot be read. */
  readonly forwards: Readonly<Record<Family, boolean | undefined>>;
  /** Devices that forward no IPv4 of what comes in by them, although others do. IPv6 has one switch for all (ip6_forward). */
  readonly closed: readonly string[];
  /** WAN devices whose strict rp_filter does not look at marks. */
  readonly blind: readonly string[];
  /** How many connections conntrack has, and may have (0: any number); undefined where that cannot be read. */
  readonly conntrack: { readonly count: number; readonly max: number } | undefined;
}

/** A WAN in one family: its device and the way to its gateway. */
export interface WayFacts {
  readonly wan: string;
  readonly family: Family;
  readonly dev: string;
  readonly up: boolean;
  /** Why the WAN is up or down: `device eth1 has no carrier`. */
  readonly reason: string;
}

/** A gateway that was asked for its address on the link (ARP, or neighbour discovery). */
export interface GatewayFacts {
  readonly wan: string;
  readonly family: Family;
  readonly dev: string;
  readonly address: string;
  /** `unknown`: the kernel could not be made to ask. */
  readonly answer: 'answers' | 'silent' | 'unknown';
}

/** What one target of a check said by one WAN, or of one server. */
export interface TargetFacts {
  readonly wan: string;
  readonly family: Family;
  readonly check: Pick<CheckConfig, 'kind' | 'quorum'>;
  readonly target: string;
  readonly result: CheckResult;
}

/** What the examination of checks goes by. */
export interface CheckFacts {
  /** WANs with a family that no check judges, as `fibre` or `fibre (IPv6)`. */
  readonly unchecked: readonly string[];
  /** Undefined where nothing was asked, since without the rules nobody knows by which WAN it would go. */
  readonly answers: readonly TargetFacts[] | undefined;
}

/** What a name server said by one WAN. */
export interface ServerFacts {
  readonly wan: string;
  readonly family: Family;
  readonly server: string;
  readonly result: CheckResult;
}

/** What others have on this machine that does not go together with our rules. */
export interface OtherFacts {
  /** Whether systemd-networkd runs, and takes the ip rules of others away. */
  readonly networkd: boolean;
  /** Whether firewalld has rules in iptables, whose tables it empties before it writes them. */
  readonly firewalld: boolean;
  readonly mwan3: boolean;
  /** Routes of others in our tables, a line each with what to do. */
  readonly taken: readonly string[];
}

/** A flowtable of nftables that a rule uses. */
export interface Flowtable {
  /** With its table: `inet fw4 ft`. */
  readonly name: string;
  readonly devices: readonly string[];
  readonly isHardware: boolean;
  readonly counts: boolean;
}

/** What the examination of conntrack's helpers goes by. */
export interface HelperFacts {
  /** Whether every connection gets the helper of its port by itself (net.netfilter.nf_conntrack_helper). */
  readonly automatic: boolean;
  /** The helpers whose modules were loaded: `ftp`, `sip`. */
  readonly loaded: readonly string[];
  /** The helpers that a rule gives to connections. */
  readonly assigned: readonly string[];
}

/** A rule of somebody else that translates what leaves. */
export interface Translator {
  readonly family: Family;
  /** The sources that it is for; undefined: any. */
  readonly source: string | undefined;
  /** The device that it is for; undefined: any. */
  readonly out: string | undefined;
}

/** What the examination of NAT goes by. */
export interface NatFacts {
  /** The addresses of the devices that are no WAN. */
  readonly lan: Readonly<Record<Family, readonly Address[]>>;
  readonly translators: readonly Translator[];
}

/** What of the kernel or of iptables is lacking. */
export interface Lack {
  readonly what: string;
  /** What does not work without it. */
  readonly effect: string;
  readonly todo: string;
}

/** What the doctor knows of a machine. What could not be looked at is undefined, and named in `late`. */
export interface DoctorFacts {
  /** That of the command line, or of the last `up`. */
  readonly config: Config;
  readonly rules: RulesFacts;
  /** Undefined where no daemon answers. */
  readonly daemon: Status | undefined;
  /** Where the daemon's queues and the rules differ, a line each. */
  readonly queues: readonly string[];
  /** What a person should know of the plan for this machine. */
  readonly notes: Plan['notes'] | undefined;
  readonly settings: SettingFacts;
  readonly ways: readonly WayFacts[];
  readonly gateways: readonly GatewayFacts[] | undefined;
  /** Undefined where nobody knows the checks: no configuration was given, and no daemon runs. */
  readonly checks: CheckFacts | undefined;
  /** Undefined where there is no name server to ask by a WAN. */
  readonly servers: readonly ServerFacts[] | undefined;
  /** Who else uses our bits of the mark, a line each with what to do. */
  readonly conflicts: readonly string[] | undefined;
  readonly others: OtherFacts | undefined;
  readonly flowtables: readonly Flowtable[] | undefined;
  readonly helpers: HelperFacts | undefined;
  readonly nat: NatFacts | undefined;
  readonly lacks: readonly Lack[] | undefined;
  /** What could not be looked at in time. */
  readonly late: readonly string[];
}
