import { attribute, forEachAttribute, numberValue, readAddress, readText } from './attributes.js';
import { forEachMessage, LITTLE_ENDIAN } from './messages.js';
import { parseInSlices } from './slices.js';
import { dump, dumpLater } from './socket.js';

/** A network device. */
export interface Link {
  readonly name: string;
  readonly index: number;
  /** Its ARPHRD_* number. */
  readonly type: number;
  /** Its IFF_* bits. */
  readonly flags: number;
  /** Whether it belongs to a VRF; given only where it does. */
  readonly vrf?: true;
  /** Whether IPsec ends at it, as at a device of the kinds xfrm, vti and vti6; given only where it does. */
  readonly ipsec?: true;
  /** Given only where it is a tunnel. */
  readonly tunnel?: LinkTunnel;
  /** Whether it is an Ethernet device of no kind and above no hardware, as those of L2TP; given only where it is. */
  readonly unexplained?: true;
}

/** The tunnel that a device is the end of. */
export interface LinkTunnel {
  /** Its kind in the words of `ip link`, such as `vxlan`; `tun` for one that a program makes (OpenVPN). */
  readonly kind: string;
  /** The address of its one far end; undefined where it has none or several, or the device does not know. */
  readonly remote?: string;
}

/** A flag of linux/if.h. */
export const IFF_UP = 0x1;
/** Flags of a device (netdevice(7)). */
export const IFF_POINTOPOINT = 0x10;
export const IFF_NOARP = 0x80;
/** A type of linux/if_arp.h. */
export const ARPHRD_ETHER = 1;

/** Message types of linux/rtnetlink.h. */
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
/** struct ifinfomsg of linux/rtnetlink.h: family, type (at 2), index (at 4), flags (at 8), change. */
const IFINFOMSG_BYTES = 16;
/** Attributes of linux/if_link.h. */
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_EXT_MASK = 29;
/** The hardware of a device; before Linux 5.14 of none. */
const IFLA_PARENT_DEV_NAME = 56;
/**
 * RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h, since Linux 4.4, leaves out the counters, which would be most of the
 * answer.
 */
const RTEXT_FILTER_SKIP_STATS = 8;

/** The attributes of each kind of tunnel that hold its far end (linux/if_tunnel.h, linux/if_link.h). */
const REMOTE: Readonly<Record<string, readonly number[]>> = {
  gre: [7],
  gretap: [7],
  ip6gre: [7],
  ip6gretap: [7],
  ipip: [3],
  sit: [3],
  ip6tnl: [3],
  // IFLA_VXLAN_GROUP and _GROUP6, which also hold the address of one host.
  vxlan: [2, 16],
  geneve: [2, 7],
  wireguard: [],
  tun: [],
};
/** IFLA_TUN_TYPE, and its value for a device of packets; one of frames (TAP) is mostly the port of a virtual machine. */
const IFLA_TUN_TYPE = 3;
const IFF_TUN = 1;
/** No far end, or more than one. */
const NOWHERE = /^(0\.0\.0\.0|::|22[4-9]\..*|23\d\..*|ff..:.*)$/;

const IPSEC_KINDS = new Set(['xfrm', 'vti', 'vti6']);

/** All devices of this network namespace, in the kernel's order. @throws Error with `errno` */
export function dumpLinks(): Link[] {
  return parseLinks(dump(RTM_GETLINK, question()));
}

/** The same, without holding the event loop up. @throws Error with `errno` */
export async function dumpLinksLater(): Promise<Link[]> {
  return parseInSlices(await dumpLater(RTM_GETLINK, question()), parseLinks);
}

function question(): Uint8Array {
  const mask = attribute(IFLA_EXT_MASK, numberValue(RTEXT_FILTER_SKIP_STATS));
  return Buffer.concat([new Uint8Array(IFINFOMSG_BYTES), mask]);
}

/** The devices in the messages of a dump; one without a name is left out. */
export function parseLinks(messages: Uint8Array): Link[] {
  const links: Link[] = [];
  forEachMessage(messages, RTM_NEWLINK, (view, start, end) => {
    if (end - start < IFINFOMSG_BYTES) return;
    let name = '';
    let isInVrf = false;
    let endsIpsec = false;
    let tunnel: LinkTunnel | undefined;
    let isExplained = view.getUint16(start + 2, LITTLE_ENDIAN) !== ARPHRD_ETHER;
    forEachAttribute(view, start + IFINFOMSG_BYTES, end, (type, _, from, to) => {
      if (type === IFLA_IFNAME) name = readText(view, from, to);
      if (type === IFLA_PARENT_DEV_NAME) isExplained = true;
      if (type !== IFLA_LINKINFO) return;
      tunnel = parseTunnel(view, from, to);
      forEachAttribute(view, from, to, (kind, __, first, last) => {
        if (kind === IFLA_INFO_KIND) isExplained = true;
        if (kind === IFLA_INFO_KIND) endsIpsec = IPSEC_KINDS.has(readText(view, first, last));
        if (kind === IFLA_INFO_SLAVE_KIND) isInVrf = readText(view, first, last) === 'vrf';
      });
    });
    if (name === '') return;
    links.push({
      name,
      type: view.getUint16(start + 2, LITTLE_ENDIAN),
      index: view.getUint32(start + 4, LITTLE_ENDIAN),
      flags: view.getUint32(start + 8, LITTLE_ENDIAN),
      ...(isInVrf ? { vrf: true as const } : {}),
      ...(endsIpsec ? { ipsec: true as const } : {}),
      ...(tunnel === undefined ? {} : { tunnel }),
      ...(isExplained ? {} : { unexplained: true as const }),
    });
  });
  return links;
}

/** Reads IFLA_LINKINFO; undefined where the device is not a tunnel. */
function parseTunnel(view: DataView, start: number, end: number): LinkTunnel | undefined {
  let kind = '';
  let tunnel: LinkTunnel | undefined;
  // The kind comes before its data.
  forEachAttribute(view, start, end, (type, _, from, to) => {
    if (type === IFLA_INFO_KIND) kind = readText(view, from, to);
    if (type === IFLA_INFO_KIND && Object.hasOwn(REMOTE, kind)) tunnel = { kind };
    if (type !== IFLA_INFO_DATA || tunnel === undefined) return;
    forEachAttribute(view, from, to, (attribute, __, first, last) => {
      if (kind === 'tun' && attribute === IFLA_TUN_TYPE && last > first && view.getUint8(first) !== IFF_TUN)
        tunnel = undefined;
      const remote = REMOTE[kind]!.includes(attribute) ? readAddress(view, first, last) : undefined;
      if (remote !== undefined && !NOWHERE.test(remote)) tunnel = { kind, remote };
    });
  });
  return tunnel;
}
