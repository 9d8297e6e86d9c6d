import type { Family } from '../core/family.js';
import type { PortRange } from '../core/service.js';

/** A value inside a masked field of a mark; bits outside the mask belong to others. */
export interface MarkBits {
  readonly value: number;
  readonly mask: number;
}

/** What a rule asks of a packet. */
export type Match =
  | { readonly kind: 'mark' | 'connmark'; readonly bits: MarkBits; readonly not?: true }
  | { readonly kind: 'in' | 'out'; readonly device: string; readonly not?: true }
  | { readonly kind: 'source' | 'destination'; readonly network: string }
  /** The name of a set of the same family's plan. */
  | { readonly kind: 'source-in' | 'destination-in' | 'out-in' | 'mac-in'; readonly set: string }
  | {
      readonly kind: 'transport';
      readonly proto: 'tcp' | 'udp';
      readonly sport?: PortRange;
      readonly dport?: PortRange;
    }
  /** What the local routing table says of an address. */
  | {
      readonly kind: 'source-type' | 'destination-type';
      readonly type: 'local' | 'unicast';
      readonly not?: true;
    }
  /** `dnat`: the connection's destination was translated. */
  | {
      readonly kind: 'state';
      readonly state: 'new' | 'related' | 'dnat';
      readonly direction?: 'original' | 'reply';
      readonly not?: true;
    };

/** One target of a choice. */
export interface Share {
  /** The target's name. */
  readonly name: string;
  /** Its number, shifted into the mask. */
  readonly value: number;
  /** 1 to 65535. */
  readonly weight: number;
}

/** The kernel's own choice: gives an undecided packet one of several marks. */
export interface Choice {
  readonly mask: number;
  /** `random` draws by weight; `nth` rotates, exactly by weight. */
  readonly mode: 'random' | 'nth';
  readonly shares: readonly Share[];
}

/** What a rule does. */
export type Action =
  | { readonly kind: 'return' | 'accept' | 'masquerade' }
  /** `goto` comes back to the caller of the chain it stands in, `jump` to the next rule. */
  | { readonly kind: 'goto' | 'jump'; readonly chain: string }
  /** Copies the field between a packet and its connection. */
  | { readonly kind: 'restore' | 'save'; readonly mask: number }
  | { readonly kind: 'set-mark' | 'set-connmark'; readonly bits: MarkBits }
  /** To a daemon; without one the packet goes on. Several queues are chosen by the addresses. */
  | { readonly kind: 'queue'; readonly first: number; readonly last: number }
  | { readonly kind: 'choose'; readonly choice: Choice }
  | { readonly kind: 'snat'; readonly address: string }
  /** Replaces the network's part of the source address. */
  | { readonly kind: 'netmap'; readonly prefix: string }
  | { readonly kind: 'dnat'; readonly to: string }
  | { readonly kind: 'log'; readonly prefix: string };

/** All of `when` must hold. Without `action` a rule only counts. */
export interface Rule {
  readonly when: readonly Match[];
  readonly action?: Action;
  readonly comment?: string;
}

export interface Chain {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** Where the kernel enters one of our chains. */
export interface Hook {
  readonly base: 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING';
  readonly chain: string;
}

/** The stages of a packet's way at which we have rules. */
export const STAGES = ['nat', 'mangle', 'filter'] as const;
export type Stage = (typeof STAGES)[number];

export interface StagePlan {
  readonly chains: readonly Chain[];
  /** In the order in which the chains of one base are entered. */
  readonly hooks: readonly Hook[];
}

/** Where the elements of a set come from, for whoever has to find them again without us. */
export type SetSource =
  /** Networks that the main table knows better than by its default route, and these; none that another one covers. */
  | { readonly from: 'main-networks'; readonly also: readonly string[] }
  /** Those of the devices that are not the main table's default route's. */
  | { readonly from: 'other-than-default'; readonly devices: readonly string[] }
  /** The MAC address of a gateway. */
  | { readonly from: 'neighbour'; readonly device: string; readonly address: string }
  /** The network of the main table's route to an address. */
  | { readonly from: 'route-to'; readonly address: string };

/** What only the machine knows. */
export interface SetPlan {
  readonly source: SetSource;
  readonly elements: readonly string[];
}

/** An ip rule. */
export interface IpRule {
  readonly priority: number;
  /** All packets, those with a mark, or those from an address. */
  readonly from:
    | { readonly kind: 'all' }
    | { readonly kind: 'mark'; readonly bits: MarkBits }
    | { readonly kind: 'address'; readonly address: string };
  /** `main` without its default routes, a table's number, or a refusal. */
  readonly to: { readonly table: 'main' | number } | { readonly refuse: 'unreachable' | 'blackhole' };
}

/** The default route of a WAN's table. */
export interface TableRoute {
  /** The WAN's name. */
  readonly wan: string;
  readonly table: number;
  /** `dead`: nothing leaves by it. */
  readonly way:
    | { readonly dead: true }
    | {
        readonly dev: string;
        readonly via: string | undefined;
        /** The gateway is taken for a neighbour, whatever the networks of the device. */
        readonly onlink: boolean;
      };
}

/** A device's setting below /proc/sys/net/ipv4/conf. */
export interface DeviceSetting {
  readonly device: string;
  readonly key: 'src_valid_mark';
  readonly value: 1;
}

/** What one family is to have. */
export interface FamilyPlan {
  /** Whether there is a WAN or a service in this family; otherwise everything is empty. */
  readonly served: boolean;
  /** By name. */
  readonly sets: ReadonlyMap<string, SetPlan>;
  readonly stages: Readonly<Record<Stage, StagePlan>>;
  readonly rules: readonly IpRule[];
  readonly routes: readonly TableRoute[];
}

/**
 * The whole state that a machine is to have, without the dialect of any program. Made by `buildPlan` alone; renderers
 * print it, `diff` compares it with what is there, and the executor carries the difference out.
 */
export interface Plan {
  readonly families: Readonly<Record<Family, FamilyPlan>>;
  readonly settings: readonly DeviceSetting[];
  /** WANs that cannot be used at the moment, one line each. */
  readonly unusable: readonly Unusable[];
  /** What a person should know, a line each. */
  readonly notes: readonly string[];
}

/** Why a WAN has no route in a family. */
export interface Unusable {
  readonly wan: string;
  readonly family: Family;
  /** A sentence with what to do. */
  readonly why: string;
  /** Time will not mend it: the configuration is wrong. */
  readonly mistake: boolean;
}
