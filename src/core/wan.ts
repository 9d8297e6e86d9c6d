import { FAMILIES, type Family } from './family.js';
import type { MemberParts } from './member.js';
import type { Target } from './target.js';

/** How packets that leave by a WAN are translated: an address means SNAT, a prefix NETMAP (as in RFC 6296). */
export type Nat = 'masquerade' | 'none' | string;

/**
 * The gateway of a WAN: an address; `dev` for a point-to-point device, which needs none; or `auto` for the gateway of
 * the main table's current default route by the device.
 */
export type Gateway = string;

/** An uplink. */
export interface Wan {
  readonly name: string;
  /** The WAN's device. Several WANs may share one device and then differ by gateway. */
  readonly dev: string;
  /** IPv4 gateway; undefined when no IPv4 connection uses this WAN. */
  readonly via: Gateway | undefined;
  /** IPv6 gateway; undefined when no IPv6 connection uses this WAN. */
  readonly via6: Gateway | undefined;
  /** Whether `via` is `dev` only because nobody gave a gateway. */
  readonly viaOmitted?: boolean;
  /** Share of new connections, relative to the other WANs: 0 or more; 0 drains. */
  readonly weight: number;
  /** Lower is preferred; a higher tier is used when every lower one is down. 1 or more. */
  readonly tier: number;
  /** The WAN's number inside the mark field, 1..max of the field. */
  readonly mark: number;
  /** Whether it gets no new connections before its checks have passed once. */
  readonly startsDown?: boolean;
  readonly nat: Nat;
  readonly nat6: Nat;
}

/** Whether connections of this address family can leave by `wan`. */
export function carries(wan: Wan, family: Family): boolean {
  return gatewayOf(wan, family) !== undefined;
}

/** The gateway of a WAN in one family, as the configuration gives it; undefined when it does not carry the family. */
export function gatewayOf(wan: Pick<Wan, 'via' | 'via6'>, family: Family): Gateway | undefined {
  return family === 6 ? wan.via6 : wan.via;
}

/** How packets of one family that leave by a WAN are translated. */
export function natOf(wan: Pick<Wan, 'nat' | 'nat6'>, family: Family): Nat {
  return family === 6 ? wan.nat6 : wan.nat;
}

/** A WAN as a target. */
export function wanTarget(wan: Wan): Target {
  return { name: wan.name, families: FAMILIES.filter((family) => carries(wan, family)) };
}

/** A WAN as a member of a pool, with its configured weight and tier. */
export function wanMember(wan: Wan): MemberParts<Wan> {
  return { target: wanTarget(wan), candidate: wan };
}
