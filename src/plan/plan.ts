import type { Family } from '../core/family.js';
import type { HashField } from '../core/flow-hash.js';
import type { PortRange } from '../core/service.js';

/** A value inside a masked field of a mark; bits outside the mask belong to others. */
export interface MarkBits {
  readonly value: number;
  readonly mask: number;
}

/**
 * What of a packet may be in a set. `in-in` and `out-in`: the device that it comes or leaves by. `translated-in`: the address
 * that its connection's source was translated to.
 */
export type SetKind =
  | 'source-in'
  | 'destination-in'
  | 'translated-in'
  | 'in-in'
  | 'out-in'
  | 'mac-in'
  | 'mark-in';

/** A condition on a packet. */
export type Match =
  | { readonly kind: 'mark' | 'connmark'; readonly bits: MarkBits; readonly not?: true }
  | { readonly kind: 'in' | 'out'; readonly device: string; readonly not?: true }
  /** An address, a network, or an address and a mask that may have holes. */
  | { readonly kind: 'source' | 'destination'; readonly network: string; readonly not?: true }
  /** An address or a network that the connection's source was translated to: its answers are sent there. */
  | { readonly kind: 'translated'; readonly network: string }
  /** `LOW-HIGH`. */
  | { readonly kind: 'source-range' | 'destination-range'; readonly range: string; readonly not?: true }
  /** Conditions of somebody else's rule, in the words of iptables-save. */
  | { readonly kind: 'words'; readonly text: string }
  /** `set` is the name of a set in the same family's plan. */
  | {
      readonly kind: SetKind;
      readonly set: string /** Only for a set that the kernel keeps. */;
      readonly not?: true;
    }
  /** A set of somebody else that has the destination. */
  | { readonly kind: 'in-ipset'; readonly ipset: string; readonly not?: true }
  | {
      readonly kind: 'transport';
      readonly proto: 'tcp' | 'udp';
      readonly sport?: PortRange;
      readonly dport?: PortRange;
    }
  /** Any packet of an IP protocol, by its number. */
  | { readonly kind: 'protocol'; readonly number: number; readonly not?: true }
  /** Ports of a packet whose protocol has some, which another match asks for; at most 15, where a range counts twice. */
  | {
      readonly kind: 'source-ports' | 'destination-ports';
      readonly ports: readonly PortRange[];
      /** The protocol of a match with one range, where it is TCP or UDP: that is asked at half the cost. */
      readonly proto?: 'tcp' | 'udp';
      readonly not?: true;
    }
  | { readonly kind: 'mac'; readonly address: string; readonly not?: true }
  | { readonly kind: 'dscp'; readonly value: number; readonly not?: true }
  /** In UTC: days from 0, Sunday, and seconds after midnight, both included. */
  | { readonly kind: 'time'; readonly days: readonly number[]; readonly from: number; readonly to: number }
  /** The router's own packets of some users. */
  | { readonly kind: 'user'; readonly low: number; readonly high: number; readonly not?: true }
  /** A packet that an IPsec policy is going to take, or that came out of IPsec. */
  | { readonly kind: 'ipsec'; readonly direction: 'in' | 'out' }
  /** Any ICMP message of a family, or an error of one kind. */
  | { readonly kind: 'icmp'; readonly family: Family; readonly error?: IcmpError }
  /** The type of an address in the local routing table. */
  | {
      readonly kind: 'source-type' | 'destination-type';
      readonly type: 'local' | 'unicast';
      readonly not?: true;
    }
  /** `snat` and `dnat` mean that the connection's source or destination was translated. */
  | {
      readonly kind: 'state';
      readonly state: 'new' | 'related' | 'snat' | 'dnat';
      readonly direction?: 'original' | 'reply';
      /** Whether only connections match that had no answer yet. */
      readonly unanswered?: true;
      readonly not?: true;
    };

/** What a router says when it knows no way to a network or to a host; in ICMPv6, no route or no such neighbour. */
export type IcmpError = 'net-unreachable' | 'host-unreachable';

/** One target of a choice. */
export interface Share {
  /** The target's name. */
  readonly name: string;
  /** The target's number, shifted into the mask. */
  readonly value: number;
  /** The target's weight, 1 to 65535. */
  readonly weight: number;
}

/** The kernel's own choice: gives an undecided packet one of several marks. */
export interface Choice {
  readonly mask: number;
  /** What stands in the field of an undecided packet: the number of its policy, shifted; 0 without one. */
  readonly undecided?: number;
  /** `random` draws by weight; `nth` rotates, exactly by weight. */
  readonly mode: 'random' | 'nth';
  /** The fields of a packet that say which share it gets, in place of the mode, where the renderer can hash. */
  readonly hash?: readonly HashField[];
  /** The name of the {@link AheadPool} whose choices, where a daemon has written some, hold before this one. */
  readonly ahead?: string;
  readonly shares: readonly Share[];
}

/** A pool for which a daemon writes its choices into the rules, before there are packets for them. */
export interface AheadPool {
  /** The name of the policy. */
  readonly name: string;
  readonly mask: number;
  /** All that may ever be chosen. */
  readonly targets: readonly Pick<Share, 'name' | 'value'>[];
}

/** The action of a rule. */
export type Action =
  | { readonly kind: 'return' | 'accept' | 'masquerade' }
  /** `goto` returns to the caller of the chain it stands in, `jump` to the next rule. */
  | { readonly kind: 'goto' | 'jump'; readonly chain: string }
  /** Copies the field between a packet and its connection. */
  | { readonly kind: 'restore' | 'save'; readonly mask: number }
  | { readonly kind: 'set-mark' | 'set-connmark'; readonly bits: MarkBits }
  /** Hands the packet to a daemon; without one the packet goes on. Addresses choose among several queues. */
  | { readonly kind: 'queue'; readonly first: number; readonly last: number }
  | { readonly kind: 'choose'; readonly choice: Choice }
  /** Puts the packet's source into a set that the kernel keeps, for a time that begins anew; or takes it out. */
  | { readonly kind: 'remember'; readonly set: string; readonly seconds: number }
  | { readonly kind: 'forget'; readonly set: string }
  | { readonly kind: 'snat'; readonly address: string }
  /** Replaces the network part of the source address. */
  | { readonly kind: 'netmap'; readonly prefix: string }
  | { readonly kind: 'dnat'; readonly to: string }
  | { readonly kind: 'log'; readonly prefix: string };

/** A rule: its action applies when all of `when` hold. A rule without an action only counts. */
export interface Rule {
  readonly when: readonly Match[];
  readonly action?: Action;
  readonly comment?: string;
}

/** A chain of ours; its name is `WANMARK` or begins with it. */
export interface Chain {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** A place where the kernel enters one of our chains. */
export interface Hook {
  readonly base: 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING';
  readonly chain: string;
  /** The packets that enter it; all of them without it. No set may be used. */
  readonly when?: readonly Exclude<Match, { readonly set: string }>[];
}

/** The stages of a packet's way where we have rules. */
export const STAGES = ['nat', 'mangle', 'filter'] as const;
/** One of these stages. */
export type Stage = (typeof STAGES)[number];

/** The chains of one stage, and where they are entered. */
export interface StagePlan {
  readonly chains: readonly Chain[];
  /** The hooks, in the order in which the chains of one base are entered. */
  readonly hooks: readonly Hook[];
}

/** A stage in which we have no rules. */
export const NOTHING: StagePlan = { chains: [], hooks: [] };

/** The source of a set's elements, for a script that has to find them without wanmark. */
export type SetSource =
  /**
   * The networks that the main table reaches by more than its default route, and `also`; none that another one covers.
   */
  | { readonly from: 'main-networks'; readonly also: readonly string[] }
  /** The networks of the option `exclude`. */
  | { readonly from: 'excluded' }
  /** Nobody: rules and the daemon fill it, and its elements leave it by themselves. */
  | { readonly from: 'clients' }
  /** Somebody else, into a set that we make; elements may leave it by themselves. */
  | { readonly from: 'others' }
  /** The networks of a set of the user's. */
  | { readonly from: 'named'; readonly set: string }
  /** Those of `devices` that do not carry the main table's default route. */
  | { readonly from: 'other-than-default'; readonly devices: readonly string[] }
  /** Those of `devices` at which no IPsec ends. */
  | { readonly from: 'carriers'; readonly devices: readonly string[] }
  /** The MAC address of a gateway. */
  | { readonly from: 'neighbour'; readonly device: string; readonly address: string }
  /** The addresses of a device, without those of the link. */
  | { readonly from: 'device'; readonly device: string }
  /** The network of the main table's route to an address. */
  | { readonly from: 'route-to'; readonly address: string }
  /** The marks that ip rules of others exempt, as VALUE/MASK, apart from our field. */
  | { readonly from: 'exempt-marks'; readonly mask: number }
  /** The far ends of those of `devices` that are tunnels. */
  | { readonly from: 'far-ends'; readonly devices: readonly string[] }
  /** The marks that ip rules of others lead to tables of theirs, as VALUE/MASK, apart from our field. */
  | { readonly from: 'led-marks'; readonly mask: number };

/** A set of values that only the machine knows. */
export interface SetPlan {
  readonly source: SetSource;
  readonly elements: readonly string[];
  /** The name under which the kernel keeps the set; undefined: rules list the elements. */
  readonly held?: string;
}

/** An ip rule: one of our own, or the copy of somebody else's, in the words of `ip rule` without its priority. */
export type IpRule = OwnIpRule | { readonly priority: number; readonly words: string };

/** An ip rule of our own. */
export interface OwnIpRule {
  readonly priority: number;
  /** The packets that the rule is for: all, those that come by a device with a mark, have a mark, are from an address, or our own. */
  readonly from:
    | { readonly kind: 'all' }
    | { readonly kind: 'in'; readonly device: string; readonly bits: MarkBits }
    /** `to`: only to this network. */
    | { readonly kind: 'mark'; readonly bits: MarkBits; readonly to?: string }
    | { readonly kind: 'address'; readonly address: string }
    | { readonly kind: 'own'; readonly tcp?: true }
    /** What the router sends over UDP to an address. */
    | { readonly kind: 'own to'; readonly address: string };
  /** `main` without its default routes or with them, the number of a table, or a refusal. */
  readonly to:
    | { readonly table: 'main' | 'whole main' | number }
    | { readonly refuse: 'unreachable' | 'blackhole' };
}

/** The default route of a WAN's table, or of the router's own. */
export interface TableRoute {
  /** The WAN's name; undefined for the router's own. */
  readonly wan: string | undefined;
  readonly table: number;
  /** `dead`: nothing leaves by the route. */
  readonly way:
    | { readonly dead: true }
    | {
        readonly dev: string;
        readonly via: string | undefined;
        /** The source of what the router itself sends; undefined where the kernel chooses one of the device. */
        readonly source?: string | undefined;
        /** Whether the gateway counts as a neighbour, whatever the networks of the device. */
        readonly onlink: boolean;
      };
}

/** A setting of a device in /proc/sys/net/ipv4/conf. */
export interface DeviceSetting {
  readonly device: string;
  readonly key: 'src_valid_mark';
  readonly value: 1;
}

/** The state that one family is to have. */
export interface FamilyPlan {
  /** Whether there is a WAN, a service or a rule that refuses in this family; everything else is empty without one. */
  readonly served: boolean;
  /** The sets by name. */
  readonly sets: ReadonlyMap<string, SetPlan>;
  readonly stages: Readonly<Record<Stage, StagePlan>>;
  readonly rules: readonly IpRule[];
  readonly routes: readonly TableRoute[];
}

/**
 * The whole state that a machine is to have, without the dialect of any program. Only `buildPlan` makes it; renderers
 * print it, `diff` compares it with the present state, and the executor carries out the difference.
 */
export interface Plan {
  readonly families: Readonly<Record<Family, FamilyPlan>>;
  readonly settings: readonly DeviceSetting[];
  /** What a daemon chooses for beforehand; none unless the engine is `ahead`. */
  readonly ahead: readonly AheadPool[];
  /** The WANs that cannot be used at the moment. */
  readonly unusable: readonly Unusable[];
  /** Lines that a person should know. */
  readonly notes: readonly string[];
}

/** Why a WAN has no route in a family. */
export interface Unusable {
  readonly wan: string;
  readonly family: Family;
  /** A sentence that says what to do. */
  readonly why: string;
  /** Whether the configuration is wrong, so that time will not mend it. */
  readonly mistake: boolean;
}
