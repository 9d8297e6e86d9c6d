/** The network to build; every field has a default. */
export interface NetworkOptions {
  /** How many uplinks, 1 to {@link MAX_WANS}; default as many as `weights`, else 3. */
  readonly wans?: number;
  /** Weight of each WAN in order; default 1 each. */
  readonly weights?: readonly number[];
  /** Tier of each WAN in order; default 1 each. */
  readonly tiers?: readonly number[];
  /** Whether all gateways are behind one device of the router; they, not the router, then do the NAT. */
  readonly sharedPort?: boolean;
  /** Hosts on the LAN that open connections, 1 to 10; default 1. */
  readonly clients?: number;
  /** Addresses of each client, 1 to 20; default 1. */
  readonly clientAddresses?: number;
  /** Whether there is one more LAN host, as the target of port-forwards. */
  readonly lanServer?: boolean;
  /** Whether there is a host that the router's main table reaches by a more specific route, like a VPN. */
  readonly vpn?: boolean;
  /** Whether the network has IPv6; default true. */
  readonly ipv6?: boolean;
}

/** One uplink of the lab. Its addresses have no prefix length. */
export interface LabWan {
  readonly name: string;
  /** Its place among the WANs, from 1 on; wanmark gives it the same number in the field of the mark. */
  readonly number: number;
  readonly weight: number;
  readonly tier: number;
  /** The router's device. */
  readonly dev: string;
  /** The gateway's addresses on the router's side. */
  readonly via: string;
  readonly via6?: string;
  /** The router's own addresses on `dev`. */
  readonly address: string;
  readonly address6?: string;
  /** The source addresses by which the server knows this WAN. */
  readonly sources: readonly string[];
  /** The addresses at which the internet reaches the router through this WAN. */
  readonly inbound: readonly string[];
  /** `none` where the gateway does the NAT. */
  readonly nat: 'masquerade' | 'none';
  /** Name of the gateway host. */
  readonly gateway: string;
}

/** A host of the lab. */
export interface HostPlan {
  readonly name: string;
  /** Addresses with prefix length, by device. */
  readonly addresses: readonly { readonly dev: string; readonly address: string }[];
  /** Arguments of `ip route add`; the family follows from the destination or gateway. */
  readonly routes: readonly string[];
  readonly forwards: boolean;
  readonly rpFilter: 0 | 1;
  /** Source NAT for what leaves by `dev`; what arrives there is passed on to the addresses of `exposes`. */
  readonly nat?: {
    readonly dev: string;
    readonly exposes: readonly string[];
    readonly at: readonly string[];
  };
}

/** A veth pair, whose other end is a host's device or a port of a bridge in the switch namespace. */
export type Cable =
  | { readonly host: string; readonly dev: string; readonly bridge: string }
  | { readonly host: string; readonly dev: string; readonly peer: string; readonly peerDev: string };

/** The whole network of the lab. */
export interface Network {
  readonly hosts: readonly HostPlan[];
  readonly bridges: readonly string[];
  readonly cables: readonly Cable[];
  readonly wans: readonly LabWan[];
  readonly sharedPort: boolean;
  readonly ipv6: boolean;
}

/** Most WANs: the number of /29 networks in 198.51.100.0/24. */
export const MAX_WANS = 32;
/** The address that the internet server listens on. */
export const SERVER = { 4: '203.0.113.10', 6: '2001:db8:f::10' } as const;
/** The LAN server of {@link NetworkOptions.lanServer}. */
export const LAN_SERVER = { 4: '10.0.0.250', 6: '2001:db8:10::250' } as const;
/** The far end of {@link NetworkOptions.vpn}, behind a specific route by the VPN host. */
export const VPN_SERVER = { 4: '172.16.0.1', 6: '2001:db8:98::1' } as const;

/** The WAN by which the server got a packet from `source`; undefined when it is none of them. */
export function wanOfSource(wans: readonly LabWan[], source: string): LabWan | undefined {
  return wans.find((wan) => wan.sources.includes(source));
}
