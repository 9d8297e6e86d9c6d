import { formatAddress, parseAddress } from '../../core/address.js';
import type { Family } from '../../core/family.js';
import { loadAddon } from '../../native.js';
import { attribute, forEachAttribute, numberValue, readText } from './attributes.js';
import { ADDRESS_FAMILY, forEachMessage } from './messages.js';

/** This file's part of the addon (native/js/route.h). Each function throws an Error with `errno`. */
interface NetfilterAddon {
  netfilterDump(type: number, body: Uint8Array): Uint8Array;
  netfilterRequest(type: number, flags: number, body: Uint8Array): Uint8Array;
}

/** NFNL_SUBSYS_IPSET of linux/netfilter/nfnetlink.h, and commands of linux/netfilter/ipset/ip_set.h. */
const SUBSYSTEM = 6 << 8;
const CREATE = 2;
const DESTROY = 3;
const LIST = 7;
const ADD = 9;
const DELETE = 10;
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
const IP = 1;
const CIDR = 3;
const MAXELEM = 19;
/** IPSET_FLAG_LIST_SETNAME: only the names of sets, however many elements they have. */
const ONLY_NAMES = 1 << 1;
/** Protocol 6 is older than Linux 3, and every kernel still speaks it (IPSET_PROTOCOL_MIN). */
const PROTOCOL_VERSION = 6;
/** Flags of an attribute's type, of linux/netlink.h. */
const NESTED = 0x8000;
const NET_BYTEORDER = 0x4000;
/** Flags of linux/netlink.h. */
const NLM_F_ACK = 0x4;
const NLM_F_EXCL = 0x200;
const ENOENT = 2;
/** struct nfgenmsg: family, version, resource. */
const NFGENMSG_BYTES = 4;
/** The length of an attribute is 16 bits, so a message holds some 1,400 IPv6 networks. */
const MOST_IN_MESSAGE = 1000;
/** A full BGP table has a million networks; the kernel takes memory for those that are there. */
const MOST_NETWORKS = 2 ** 22;

/**
 * A set of networks in the kernel (ipset's `hash:net`), which one iptables rule asks with `-m set`. Needs no program;
 * kernels without CONFIG_IP_SET_HASH_NET refuse everything.
 */
export class KernelSet {
  readonly name: string;
  readonly #family: Family;

  /** @param name at most 31 bytes (IPSET_MAXNAMELEN) */
  constructor(name: string, family: Family) {
    this.name = name;
    this.#family = family;
  }

  /** Makes the set, empty, unless it is there. @throws Error with `errno` */
  create(): void {
    const limit = new Uint8Array(4);
    new DataView(limit.buffer).setUint32(0, MOST_NETWORKS);
    this.#command(CREATE, [
      attribute(TYPENAME, text('hash:net')),
      attribute(REVISION, Uint8Array.of(0)),
      attribute(FAMILY, Uint8Array.of(ADDRESS_FAMILY[this.#family])),
      attribute(DATA | NESTED, attribute(MAXELEM | NET_BYTEORDER, limit)),
    ]);
  }

  /**
   * The networks in it, as `ip route` writes them: `10.0.0.0/8`, `172.16.5.4`. @returns undefined where there is no such
   * set
   * @throws Error with `errno`
   */
  networks(): Set<string> | undefined {
    try {
      return this.#parse(addon().netfilterDump(SUBSYSTEM | LIST, this.#body([])));
    } catch (error) {
      if (isErrno(error, ENOENT)) return undefined;
      throw error;
    }
  }

  /** Adds networks; those that are there already stay. @throws Error with `errno` */
  add(networks: readonly string[]): void {
    this.#change(ADD, networks);
  }

  /** Takes networks out; those that are not there are no error. @throws Error with `errno` */
  delete(networks: readonly string[]): void {
    this.#change(DELETE, networks);
  }

  /** Removes the set. @throws Error with `errno`: ENOENT where there is none, EBUSY while a rule asks it */
  destroy(): void {
    this.#command(DESTROY, []);
  }

  #change(command: number, networks: readonly string[]): void {
    for (let from = 0; from < networks.length; from += MOST_IN_MESSAGE) {
      const elements = networks.slice(from, from + MOST_IN_MESSAGE).map((network) => this.#element(network));
      this.#command(command, [
        attribute(LINENO, numberValue(0)),
        attribute(ADT | NESTED, Buffer.concat(elements)),
      ]);
    }
  }

  #element(network: string): Uint8Array {
    const [address = '', length] = network.split('/');
    const bytes = parseAddress(address);
    // IPSET_ATTR_IPADDR_IPV4 is 1, IPSET_ATTR_IPADDR_IPV6 is 2.
    const kind = this.#family === 4 ? 1 : 2;
    return attribute(
      DATA | NESTED,
      Buffer.concat([
        attribute(IP | NESTED, attribute(kind | NET_BYTEORDER, bytes)),
        attribute(CIDR, Uint8Array.of(length === undefined ? 8 * bytes.length : Number(length))),
      ]),
    );
  }

  #parse(messages: Uint8Array): Set<string> {
    const networks = new Set<string>();
    const most = this.#family === 4 ? 32 : 128;
    forEachMessage(messages, SUBSYSTEM | LIST, (view, start, end) => {
      forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from, to) => {
        if (type !== ADT) return;
        forEachAttribute(view, from, to, (_data, __, first, last) => {
          let address: string | undefined;
          let length = most;
          forEachAttribute(view, first, last, (kind, ___, at, until) => {
            if (kind === CIDR) length = view.getUint8(at);
            if (kind !== IP) return;
            const value = new Uint8Array(view.buffer, view.byteOffset + at + 4, until - at - 4);
            address = formatAddress(value, 0, this.#family);
          });
          if (address !== undefined) networks.add(length === most ? address : `${address}/${length}`);
        });
      });
    });
    return networks;
  }

  /** Without NLM_F_EXCL, what is there already, or gone already, is no error. A set that is created is no exception. */
  #command(command: number, attributes: readonly Uint8Array[]): void {
    const flags = command === DESTROY ? NLM_F_ACK | NLM_F_EXCL : NLM_F_ACK;
    addon().netfilterRequest(SUBSYSTEM | command, flags, this.#body(attributes));
  }

  #body(attributes: readonly Uint8Array[]): Uint8Array {
    const header = new Uint8Array(NFGENMSG_BYTES);
    header[0] = ADDRESS_FAMILY[this.#family];
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
  const flags = new Uint8Array(4);
  new DataView(flags.buffer).setUint32(0, ONLY_NAMES);
  const body = Buffer.concat([
    new Uint8Array(NFGENMSG_BYTES),
    attribute(PROTOCOL, Uint8Array.of(PROTOCOL_VERSION)),
    attribute(FLAGS | NET_BYTEORDER, flags),
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

function addon(): NetfilterAddon {
  return loadAddon<NetfilterAddon>();
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof Error && 'errno' in error && error.errno === errno;
}
