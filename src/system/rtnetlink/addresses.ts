import { FAMILIES, type Family } from '../../core/family.js';
import { forEachAttribute, readAddress } from './attributes.js';
import { ADDRESS_FAMILY, forEachMessage, LITTLE_ENDIAN } from './messages.js';
import { parseInSlices } from './slices.js';
import { dump, dumpLater } from './socket.js';

/** An address of a device. */
export interface InterfaceAddress {
  readonly family: Family;
  /** The device's number. */
  readonly index: number;
  /** Its RT_SCOPE_* value. */
  readonly scope: number;
  readonly local: string;
  /** The far end of a point-to-point address; undefined for any other. */
  readonly peer: string | undefined;
  /** The prefix length of the network, or of the far end where there is one. */
  readonly prefixLength: number;
  /** IFA_F_DEPRECATED: new connections should have another source. */
  readonly deprecated: boolean;
  /** IFA_F_TEMPORARY of an IPv6 address: another one takes its place from time to time (RFC 8981). */
  readonly temporary: boolean;
}

/** RT_SCOPE_UNIVERSE of linux/rtnetlink.h, which `ip` calls `global`. */
export const SCOPE_GLOBAL = 0;

/** Message type of linux/rtnetlink.h. */
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
/** struct ifaddrmsg of linux/if_addr.h: family, prefix length, flags, scope, index (at 4). */
const IFADDRMSG_BYTES = 8;
/** Flags of linux/if_addr.h. The first means another thing for IPv4, a secondary address. */
const IFA_F_TEMPORARY = 0x01;
const IFA_F_DEPRECATED = 0x20;
/** Attributes of linux/if_addr.h. IPv4 has both; IPv6 has IFA_ADDRESS alone, except where there is a far end. */
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;

/** All addresses of a family, in the kernel's order. @throws Error with `errno` */
export function dumpAddresses(family: Family): InterfaceAddress[] {
  return parseAddresses(dump(RTM_GETADDR, question(family)));
}

/** The addresses of one device; other devices cost nothing where the kernel knows the filter (4.20). @throws Error with `errno` */
export function dumpAddressesOf(index: number, family: Family): InterfaceAddress[] {
  const body = question(family);
  new DataView(body.buffer).setUint32(4, index, LITTLE_ENDIAN);
  return parseAddresses(dump(RTM_GETADDR, body)).filter((one) => one.index === index);
}

/** The same as {@link dumpAddresses}, without holding the event loop up. @throws Error with `errno` */
export async function dumpAddressesLater(family: Family): Promise<InterfaceAddress[]> {
  return parseInSlices(await dumpLater(RTM_GETADDR, question(family)), parseAddresses);
}

function question(family: Family): Uint8Array {
  const body = new Uint8Array(IFADDRMSG_BYTES);
  body[0] = ADDRESS_FAMILY[family];
  return body;
}

/** The addresses in the messages of a dump. */
export function parseAddresses(messages: Uint8Array): InterfaceAddress[] {
  const addresses: InterfaceAddress[] = [];
  forEachMessage(messages, RTM_NEWADDR, (view, start, end) => {
    if (end - start < IFADDRMSG_BYTES) return;
    const family = FAMILIES.find((one) => ADDRESS_FAMILY[one] === view.getUint8(start));
    let own: string | undefined;
    let far: string | undefined;
    forEachAttribute(view, start + IFADDRMSG_BYTES, end, (type, _, from, to) => {
      if (type === IFA_LOCAL) own = readAddress(view, from, to);
      if (type === IFA_ADDRESS) far = readAddress(view, from, to);
    });
    const local = own ?? far;
    if (family === undefined || local === undefined) return;
    const flags = view.getUint8(start + 2);
    addresses.push({
      family,
      index: view.getUint32(start + 4, LITTLE_ENDIAN),
      scope: view.getUint8(start + 3),
      local,
      peer: far === local ? undefined : far,
      prefixLength: view.getUint8(start + 1),
      deprecated: (flags & IFA_F_DEPRECATED) !== 0,
      temporary: family === 6 && (flags & IFA_F_TEMPORARY) !== 0,
    });
  });
  return addresses;
}
