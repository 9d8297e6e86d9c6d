import { parseAddress } from '../../core/address.js';
import { FAMILIES, type Family } from '../../core/family.js';
import { loadAddon } from '../../native.js';
import { attribute, forEachAttribute, numberValue, readAddress } from './attributes.js';
import { bigEndian } from './ipset.js';
import { ADDRESS_FAMILY, forEachMessage } from './messages.js';

/** This file's part of the addon (native/js/route.h). It throws an Error with `errno`. */
interface NetfilterAddon {
  netfilterDump(type: number, body: Uint8Array): Uint8Array;
}

/** NFNL_SUBSYS_CTNETLINK of linux/netfilter/nfnetlink.h, IPCTNL_MSG_CT_NEW and _GET of nfnetlink_conntrack.h. */
const NEW = 1 << 8;
const GET = NEW | 1;
/** struct nfgenmsg: family, version, resource. */
const NFGENMSG_BYTES = 4;
const NESTED = 0x8000;
/** Attributes of linux/netfilter/nfnetlink_conntrack.h. */
const CTA = {
  TUPLE_ORIG: 1,
  STATUS: 3,
  PROTOINFO: 4,
  MARK: 8,
  COUNTERS_ORIG: 9,
  COUNTERS_REPLY: 10,
  TIMESTAMP: 20,
  MARK_MASK: 21,
  FILTER: 25,
} as const;
const TUPLE = { IP: 1, PROTO: 2 } as const;
/** The addresses of IPv4 and IPv6: CTA_IP_V4_SRC and so on. */
const IP = { 4: { SRC: 1, DST: 2 }, 6: { SRC: 3, DST: 4 } } as const;
const PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
const COUNTERS_BYTES = 2;
const TIMESTAMP_START = 1;
const [PROTOINFO_TCP, TCP_STATE] = [1, 1];
/** CTA_FILTER_ORIG_FLAGS, and the flags for a source and a destination address; since Linux 5.8. */
const FILTER_ORIG_FLAGS = 1;
const BY_ADDRESSES = 0b11;
/** IPS_SEEN_REPLY of linux/netfilter/nf_conntrack_common.h. */
const SEEN_REPLY = 1 << 1;
/** IPS_SRC_NAT of the same. */
const SRC_NAT = 1 << 4;
const EINVAL = 22;

/** TCP states in the order of linux/netfilter/nf_conntrack_tcp.h, as conntrack(8) prints them. */
const TCP_STATES =
  'NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2'.split(' ');

/** A connection that conntrack has, in the direction in which it began. */
export interface Connection {
  readonly proto: number;
  readonly src: string;
  readonly dst: string;
  /** 0 where the protocol has none. */
  readonly sport: number;
  readonly dport: number;
  /** The whole mark. */
  readonly mark: number;
  readonly isAnswered: boolean;
  /** Undefined for other protocols than TCP. */
  readonly tcpState: string | undefined;
  /** When it began, in milliseconds of the epoch; undefined without net.netfilter.nf_conntrack_timestamp. */
  readonly since: number | undefined;
  /** Bytes there and back; undefined without net.netfilter.nf_conntrack_acct. */
  readonly bytes: { readonly out: number; readonly back: number } | undefined;
}

/** A connection of either family. */
export interface AnyConnection extends Connection {
  readonly family: Family;
  /** Whether its source is translated. */
  readonly isSourceTranslated: boolean;
}

/**
 * Visits the connections of both families whose mark under `mask` is `mark`. The kernel leaves out the others, and walks through its
 * whole table for that.
 * @throws Error with `errno`
 */
export function connectionsWithMark(
  mark: number,
  mask: number,
  visit: (connection: AnyConnection) => void,
): void {
  const { netfilterDump } = loadAddon<NetfilterAddon>();
  const body = Buffer.concat([
    Uint8Array.of(0, 0, 0, 0),
    attribute(CTA.MARK, bigEndian(mark)),
    attribute(CTA.MARK_MASK, bigEndian(mask)),
  ]);
  forEachMessage(netfilterDump(GET, body), NEW, (view, start, end) => {
    const family = FAMILIES.find((one) => ADDRESS_FAMILY[one] === view.getUint8(start));
    if (family === undefined) return;
    const { status, ...connection } = parseConnection(view, start + NFGENMSG_BYTES, end, family);
    // Kernels that do not filter send everything.
    if ((connection.mark & mask) >>> 0 !== mark) return;
    visit({ ...connection, family, isSourceTranslated: (status & SRC_NAT) !== 0 });
  });
}

/**
 * The connections from one address to another. Kernels since 5.8 look for those of IPv4; of others comes the whole table.
 * @throws Error with `errno`
 */
export function connectionsBetween(family: Family, src: string, dst: string): Connection[] {
  const found: Connection[] = [];
  forEachMessage(ask(family, src, dst), NEW, (view, start, end) => {
    const { status: _, ...connection } = parseConnection(view, start + NFGENMSG_BYTES, end, family);
    if (connection.src === src && connection.dst === dst) found.push(connection);
  });
  return found;
}

function ask(family: Family, src: string, dst: string): Uint8Array {
  const { netfilterDump } = loadAddon<NetfilterAddon>();
  const header = Uint8Array.of(ADDRESS_FAMILY[family], 0, 0, 0);
  // Of IPv6 the kernel's filter drops just the addresses that are asked for (ctnetlink_filter_match_tuple takes
  // ipv6_addr_cmp for a test of equality; Linux 6.18 still does).
  if (family === 6) return netfilterDump(GET, header);
  const addresses = Buffer.concat([
    attribute(IP[4].SRC, parseAddress(src)),
    attribute(IP[4].DST, parseAddress(dst)),
  ]);
  const body = Buffer.concat([
    header,
    attribute(CTA.TUPLE_ORIG | NESTED, attribute(TUPLE.IP | NESTED, addresses)),
    attribute(CTA.FILTER | NESTED, attribute(FILTER_ORIG_FLAGS, numberValue(BY_ADDRESSES))),
  ]);
  try {
    return netfilterDump(GET, body);
  } catch (error) {
    if ((error as { errno?: unknown }).errno !== EINVAL) throw error;
    return netfilterDump(GET, header);
  }
}

function parseConnection(
  view: DataView,
  start: number,
  end: number,
  family: Family,
): Connection & { readonly status: number } {
  let tuple = { proto: 0, src: '', dst: '', sport: 0, dport: 0 };
  let [mark, status, out, back] = [0, 0, undefined as number | undefined, undefined as number | undefined];
  let [tcpState, since] = [undefined as string | undefined, undefined as number | undefined];
  forEachAttribute(view, start, end, (type, _, from, to) => {
    if (type === CTA.TUPLE_ORIG) tuple = parseTuple(view, from, to, family);
    else if (type === CTA.MARK) mark = view.getUint32(from);
    else if (type === CTA.STATUS) status = view.getUint32(from);
    else if (type === CTA.COUNTERS_ORIG) out = longNumber(view, from, to, COUNTERS_BYTES);
    else if (type === CTA.COUNTERS_REPLY) back = longNumber(view, from, to, COUNTERS_BYTES);
    else if (type === CTA.TIMESTAMP) since = nanoseconds(longNumber(view, from, to, TIMESTAMP_START));
    else if (type === CTA.PROTOINFO) tcpState = parseState(view, from, to);
  });
  return {
    ...tuple,
    mark,
    status,
    isAnswered: (status & SEEN_REPLY) !== 0,
    tcpState,
    since,
    bytes: out === undefined || back === undefined ? undefined : { out, back },
  };
}

function parseTuple(view: DataView, start: number, end: number, family: Family) {
  const tuple = { proto: 0, src: '', dst: '', sport: 0, dport: 0 };
  forEachAttribute(view, start, end, (part, _, first, last) => {
    forEachAttribute(view, first, last, (type, __, from, to) => {
      if (part === TUPLE.IP) {
        if (type === IP[family].SRC) tuple.src = readAddress(view, from, to) ?? '';
        if (type === IP[family].DST) tuple.dst = readAddress(view, from, to) ?? '';
      } else if (part === TUPLE.PROTO) {
        if (type === PROTO.NUM) tuple.proto = view.getUint8(from);
        if (type === PROTO.SRC_PORT) tuple.sport = view.getUint16(from);
        if (type === PROTO.DST_PORT) tuple.dport = view.getUint16(from);
      }
    });
  });
  return tuple;
}

/** A 64-bit number of this type among nested attributes, in the order of the network. */
function longNumber(view: DataView, start: number, end: number, wanted: number): number | undefined {
  let found: number | undefined;
  forEachAttribute(view, start, end, (type, _, from, to) => {
    if (type === wanted && to - from === 8) found = Number(view.getBigUint64(from));
  });
  return found;
}

/** The kernel notes 0 while nobody asks for times. */
function nanoseconds(value: number | undefined): number | undefined {
  return value === undefined || value === 0 ? undefined : value / 1e6;
}

function parseState(view: DataView, start: number, end: number): string | undefined {
  let found: string | undefined;
  forEachAttribute(view, start, end, (kind, _, first, last) => {
    if (kind !== PROTOINFO_TCP) return;
    forEachAttribute(view, first, last, (type, __, from) => {
      if (type === TCP_STATE) found = TCP_STATES[view.getUint8(from)];
    });
  });
  return found;
}
