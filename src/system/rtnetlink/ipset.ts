import { formatAddress, parseAddress } from '../../core/address.js';
import type { Family } from '../../core/family.js';
import { loadAddon } from '../../native.js';
import { attribute, forEachAttribute, numberValue, readText, type VisitAttribute } from './attributes.js';
import { ADDRESS_FAMILY, forEachMessage } from './messages.js';

/** This file's part of the addon (native/js/route.h). Each function throws an Error with `errno`. */
export interface NetfilterAddon {
  netfilterDump(type: number, body: Uint8Array): Uint8Array;
  netfilterRequest(type: number, flags: number, body: Uint8Array): Uint8Array;
}

/** NFNL_SUBSYS_IPSET of linux/netfilter/nfnetlink.h, and commands of linux/netfilter/ipset/ip_set.h. */
const SUBSYSTEM = 6 << 8;
const CREATE = 2;
const DESTROY = 3;
const LIST = 7;
/** Commands (include/uapi/linux/netfilter/ipset/ip_set.h, enum ipset_cmd). */
export const ADD = 9;
export const DELETE = 10;
const TEST = 11;
const HEADER = 12;
/** Attributes of the same file: of a command, of an element, of an address, and of a creation. */
const PROTOCOL = 1;
const SETNAME = 2;
const TYPENAME = 3;
const REVISION = 4;
const FAMILY = 5;
const FLAGS = 6;
const DATA = 7;
const ADT = 8;
const LINENO = 9;
/** Attributes of an entry (enum of IPSET_ATTR_* in ip_set.h). */
export const IP = 1;
export const CIDR = 3;
export const TIMEOUT = 6;
export const MAXELEM = 19;
export const NETMASK = 20;
/** IPSET_FLAG_LIST_SETNAME: only the names of sets, however many elements they have. */
const ONLY_NAMES = 1 << 1;
/** Protocol 6 is older than Linux 3, and every kernel still speaks it (IPSET_PROTOCOL_MIN). */
const PROTOCOL_VERSION = 6;
/** Flags of an attribute's type, of linux/netlink.h. */
const NESTED = 0x8000;
/** NLA_F_NET_BYTEORDER (include/uapi/linux/netlink.h). */
export const NET_BYTEORDER = 0x4000;
/** Flags of linux/netlink.h. */
const NLM_F_ACK = 0x4;
const NLM_F_EXCL = 0x200;
const ENOENT = 2;
/** The answer to a test for what is not in the set (linux/netfilter/ipset/ip_set.h). */
const IPSET_ERR_EXIST = 4103;
/** struct nfgenmsg: family, version, resource. */
const NFGENMSG_BYTES = 4;
/** The length of an attribute is 16 bits, so a message holds some 1,400 elements of IPv6. */
const MOST_IN_MESSAGE = 1000;

/** A set in the kernel (ipset), which iptables rules ask with `-m set`. Needs no program. */
export abstract class Ipset {
  readonly name: string;
  readonly family: Family;

  /** @param name at most 31 bytes (IPSET_MAXNAMELEN) */
  constructor(name: string, family: Family) {
    this.name = name;
    this.family = family;
  }

  /** Makes the set, empty, unless it is there. @throws Error with `errno` */
  abstract create(): void;

  /** Removes the set. @throws Error with `errno`: ENOENT where there is none, EBUSY while a rule asks it */
  destroy(): void {
    this.#command(DESTROY, []);
  }

  protected createAs(type: string, revision: number, data: readonly Uint8Array[]): void {
    this.#command(CREATE, [
      attribute(TYPENAME, text(type)),
      attribute(REVISION, Uint8Array.of(revision)),
      attribute(FAMILY, Uint8Array.of(ADDRESS_FAMILY[this.family])),
      attribute(DATA | NESTED, Buffer.concat(data)),
    ]);
  }

  /** Adds elements or takes them out, with {@link ADD} or {@link DELETE}; it is no error where that is so already. */
  protected change(command: number, elements: readonly (readonly Uint8Array[])[]): void {
    for (let from = 0; from < elements.length; from += MOST_IN_MESSAGE) {
      const some = elements
        .slice(from, from + MOST_IN_MESSAGE)
        .map((element) => attribute(DATA | NESTED, Buffer.concat(element)));
      this.#command(command, [
        attribute(LINENO, numberValue(0)),
        attribute(ADT | NESTED, Buffer.concat(some)),
      ]);
    }
  }

  /** Whether the set has an element; undefined where the kernel cannot tell, as where there is no such set. */
  protected test(element: readonly Uint8Array[]): boolean | undefined {
    try {
      this.#command(TEST, [attribute(DATA | NESTED, Buffer.concat(element))]);
      return true;
    } catch (error) {
      if (isErrno(error, IPSET_ERR_EXIST)) return false;
      if (error instanceof Error && 'errno' in error) return undefined;
      throw error;
    }
  }

  /** Calls `element` for each element, and visits its attributes in between. @returns whether there is such a set */
  protected read(visit: VisitAttribute, element: () => void): boolean {
    let messages: Uint8Array;
    try {
      messages = addon().netfilterDump(SUBSYSTEM | LIST, this.#body([]));
    } catch (error) {
      if (isErrno(error, ENOENT)) return false;
      throw error;
    }
    forEachMessage(messages, SUBSYSTEM | LIST, (view, start, end) => {
      forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from, to) => {
        if (type !== ADT) return;
        forEachAttribute(view, from, to, (_data, __, first, last) => {
          forEachAttribute(view, first, last, visit);
          element();
        });
      });
    });
    return true;
  }

  /** An attribute that holds an address. */
  protected address(type: number, address: string): Uint8Array {
    // IPSET_ATTR_IPADDR_IPV4 is 1, IPSET_ATTR_IPADDR_IPV6 is 2.
    const kind = this.family === 4 ? 1 : 2;
    return attribute(type | NESTED, attribute(kind | NET_BYTEORDER, parseAddress(address)));
  }

  /** The address in such an attribute. */
  protected addressIn(view: DataView, start: number, end: number): string {
    return formatAddress(
      new Uint8Array(view.buffer, view.byteOffset + start + 4, end - start - 4),
      0,
      this.family,
    );
  }

  /** Without NLM_F_EXCL, what is there already, or gone already, is no error. A set that is created is no exception. */
  #command(command: number, attributes: readonly Uint8Array[]): void {
    const flags = command === DESTROY ? NLM_F_ACK | NLM_F_EXCL : NLM_F_ACK;
    addon().netfilterRequest(SUBSYSTEM | command, flags, this.#body(attributes));
  }

  #body(attributes: readonly Uint8Array[]): Uint8Array {
    const header = new Uint8Array(NFGENMSG_BYTES);
    header[0] = ADDRESS_FAMILY[this.family];
    return Buffer.concat([
      header,
      attribute(PROTOCOL, Uint8Array.of(PROTOCOL_VERSION)),
      attribute(SETNAME, text(this.name)),
      ...attributes,
    ]);
  }
}

/** The names of all sets that the kernel has, of whomever. @throws Error with `errno` */
export function kernelSetNames(): string[] {
  const body = Buffer.concat([
    new Uint8Array(NFGENMSG_BYTES),
    attribute(PROTOCOL, Uint8Array.of(PROTOCOL_VERSION)),
    attribute(FLAGS | NET_BYTEORDER, bigEndian(ONLY_NAMES)),
  ]);
  const names: string[] = [];
  forEachMessage(addon().netfilterDump(SUBSYSTEM | LIST, body), SUBSYSTEM | LIST, (view, start, end) => {
    forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from, to) => {
      if (type === SETNAME) names.push(readText(view, from, to));
    });
  });
  return names;
}

/** The type and family of a set, whoever made it; undefined where there is none of that name. @throws Error with `errno` */
export function kernelSetHead(name: string): { readonly type: string; readonly family: number } | undefined {
  const body = Buffer.concat([
    new Uint8Array(NFGENMSG_BYTES),
    attribute(PROTOCOL, Uint8Array.of(PROTOCOL_VERSION)),
    attribute(SETNAME, text(name)),
  ]);
  try {
    let found = { type: '', family: 0 };
    forEachMessage(
      addon().netfilterRequest(SUBSYSTEM | HEADER, 0, body),
      SUBSYSTEM | HEADER,
      (view, start, end) => {
        forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from, to) => {
          if (type === TYPENAME) found = { ...found, type: readText(view, from, to) };
          if (type === FAMILY) found = { ...found, family: view.getUint8(from) };
        });
      },
    );
    return found;
  } catch (error) {
    if (isErrno(error, ENOENT)) return undefined;
    throw error;
  }
}

/** A 32-bit number in network order, as a value for {@link attribute}. */
export function bigEndian(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function addon(): NetfilterAddon {
  return loadAddon<NetfilterAddon>();
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof Error && 'errno' in error && error.errno === errno;
}
