import type { Family } from '../core/family.js';

/** A network device at one moment. */
export interface Device {
  /** The kernel's number; it tells a device that went and came back from the old one. */
  readonly index: number;
  /** Whether it is switched on (IFF_UP); says nothing about its carrier. */
  readonly up: boolean;
  /** IFF_POINTOPOINT: the device needs no gateway. */
  readonly pointToPoint: boolean;
  /** A kind of Ethernet with address resolution: nothing leaves by it without a gateway, unless somebody answers for all. */
  readonly ethernet: boolean;
  /** Whether the device belongs to a VRF; given only where it does. */
  readonly vrf?: true;
  /** Whether IPsec ends at it (xfrm, vti), so that what comes by it is what was inside; given only where it does. */
  readonly ipsec?: true;
  /** The tunnel that it is the end of, with the far end where the device knows one; given only for tunnels. */
  readonly tunnel?: { readonly kind: string; readonly remote?: string };
  /** Whether it is an Ethernet device of no kind and above no hardware, as those of L2TP; given only where it is. */
  readonly unexplained?: true;
}

/** One way of a route. */
export interface Way {
  /** Empty where the route has no device, as a blackhole. */
  readonly dev: string;
  /** The gateway; undefined where the device reaches the destination directly. */
  readonly via: string | undefined;
  /** RTNH_F_DEAD: the kernel does not use the way at the moment; or RTA_VIA: its gateway is of the other family. */
  readonly unusable: boolean;
}

/** A route of the main table. */
export interface MainRoute {
  /** `default`, or a network as `ip` prints it: `10.0.0.0/8`, `172.16.5.4`, `fd00::/8`. */
  readonly dst: string;
  /** RTN_THROW: the route asks the next table, so it is not a destination. */
  readonly isThrow: boolean;
  readonly metric: number;
  readonly ways: readonly Way[];
}

/** An ip rule that somebody else made, or the kernel, in the words of `ip rule`. */
export interface OtherRule {
  readonly priority: number;
  /** Whether it is for the packets that its conditions do not match. */
  readonly inverted: boolean;
  /** The mark that it asks for; undefined where any will do. */
  readonly mark: { readonly value: number; readonly mask: number } | undefined;
  /** Its other conditions: those that `ip rule` prints before the mark, and those after it. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** What becomes of the packets; undefined where it cannot be copied. */
  readonly action: string | undefined;
  /** Whether it is for all packets, and none of them comes to a later rule. */
  readonly takesAll: boolean;
  /** Given where it asks for a mark and nothing else, and no packet with that mark comes to a later rule. */
  readonly leads?: true;
}

/** An address of global scope. */
export interface Address {
  readonly dev: string;
  /**
   * The address with its prefix length: `192.0.2.2/24`. The length of a point-to-point address is that of the far end,
   * as `ip` prints it.
   */
  readonly address: string;
  /** An IPv6 address that the kernel gives new connections only where there is no other (RFC 6724, rule 3). Undefined: no. */
  readonly isDeprecated?: boolean;
}

/** What a rule of somebody else in PREROUTING does with a new connection. */
export interface Redirection {
  /** The rule's conditions in the words of iptables-save; empty for all packets. */
  readonly words: string;
  /**
   * `router`: a program of this router takes it (REDIRECT, TPROXY); an address: DNAT leads it there; `table`: it gets a
   * mark that an ip rule of somebody else leads; `nobody`: the rules behind this one do not see it.
   */
  readonly to: 'router' | 'nobody' | 'table' | string;
}

/** The state of the machine at one moment, as far as a plan depends on it. Plain data, so a plan can be made anywhere. */
export interface Facts {
  /** The devices by name. */
  readonly devices: ReadonlyMap<string, Device>;
  /** The main table's routes, in the kernel's order. */
  readonly main: Readonly<Record<Family, readonly MainRoute[]>>;
  /** The ip rules that are not ours, in the kernel's order. */
  readonly rules: Readonly<Record<Family, readonly OtherRule[]>>;
  /** The addresses of global scope, in the kernel's order. */
  readonly addresses: Readonly<Record<Family, readonly Address[]>>;
  /** Gateways that their device reaches directly, as `DEV ADDRESS` (see {@link neighbourKey}). */
  readonly onLink: ReadonlySet<string>;
  /** MAC addresses of gateways on shared devices, by the same key; only the known ones. */
  readonly macs: ReadonlyMap<string, string>;
  /**
   * The network of the main table's route to a backend, by the backend's address; the address itself where that is the
   * default route, or there is none.
   */
  readonly networks: ReadonlyMap<string, string>;
  /** What other people's rules redirect; the first that matches holds. */
  readonly redirections: Readonly<Record<Family, readonly Redirection[]>>;
  /**
   * Whether rules of others in mangle that cannot be copied take new connections, or mark them for an ip rule. Undefined, as for a
   * printed script: no.
   */
  readonly uncopied?: Readonly<Record<Family, boolean>>;
  /** The far ends of tunnels that only a program knows, by device. Undefined: none. */
  readonly endpoints?: ReadonlyMap<string, readonly string[]>;
  /** Devices where strict rp_filter looks up the way back without the packet's mark, unless the device says otherwise. */
  readonly strict: ReadonlySet<string>;
  /** Whether the kernel keeps sets of networks. Undefined, as for a printed script: no. */
  readonly keepsSets?: boolean;
  /**
   * Whether the kernel keeps sets of clients. Undefined where no policy asks for that, and for a printed script: no.
   */
  readonly keepsClients?: boolean;
  /** The sets that are files. Undefined, as for a printed script: none were read. */
  readonly files?: {
    /** Their networks, by the sets' names. */
    readonly networks: ReadonlyMap<string, readonly string[]>;
    /** Why a file could not be read, a line each. */
    readonly faults: readonly string[];
  };
  /** Whether the sets that somebody else fills are our own, beside our rules. Undefined: they are ipsets of others. */
  readonly hostsSets?: true;
  /** The ipsets of others that rules ask and that are there, as `NAME/FAMILY`. */
  readonly ipsets?: ReadonlySet<string>;
  /** How many minutes the time zones of rules are before UTC, by name. */
  readonly zones?: ReadonlyMap<string, number>;
  /** How the machine stands to IPsec. Undefined, as for a printed script: rules can ask for it. */
  readonly ipsec?: Ipsec | undefined;
}

/**
 * `matched`: rules can ask whether an IPsec policy takes a packet. `unused`: they cannot (no xt_policy in the kernel, or
 * none for iptables), and there is no policy. `unmatched`: they cannot, although there are policies.
 */
export type Ipsec = 'matched' | 'unused' | 'unmatched';

/** No redirections. */
export const NO_REDIRECTIONS: Facts['redirections'] = { 4: [], 6: [] };

/** The key of a neighbour on a device. */
export function neighbourKey(dev: string, address: string): string {
  return `${dev} ${address}`;
}
