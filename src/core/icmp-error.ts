import { formatAddress } from './address.js';
import type { Family } from './family.js';
import { ICMP, ICMPV6 } from './protocol.js';
import type { Tuple } from './tuple.js';

/**
 * ICMP errors that say that a router knows no way to a network or host, and the packet that such an error quotes. The
 * formats are those of RFC 792, RFC 1122 section 3.2.2 and RFC 4443.
 */

const ICMP_BYTES = 8;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
/** TCP, UDP, DCCP, SCTP and UDP-Lite, which begin with two ports. */
const HAS_PORTS: ReadonlySet<number> = new Set([6, 17, 33, 132, 136]);
const FRAGMENT = 44;
const AUTHENTICATION = 51;
/** The headers that may stand between IPv6's own and the upper layer (ipv6_ext_hdr). */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, FRAGMENT, AUTHENTICATION, 60]);

/**
 * Whether a packet says "net unreachable" or "host unreachable" (IPv4), or "no route" or "address unreachable" (IPv6).
 * @param typeAndCode `type << 8 | code`, which is the `dport` of a batch
 */
export function isUnreachable(proto: number, typeAndCode: number): boolean {
  if (proto === ICMP) return typeAndCode === 0x300 || typeAndCode === 0x301;
  return proto === ICMPV6 && (typeAndCode === 0x100 || typeAndCode === 0x103);
}

/**
 * The connection that an ICMP error is about: the tuple of the packet that it quotes. Undefined where that packet is of
 * a protocol without ports, is a later fragment, or ends before its ports do.
 * @param bytes an ICMP or ICMPv6 error from its network header on; any bytes are safe
 */
export function quotedTuple(bytes: Uint8Array): Tuple | undefined {
  const outer = readHeader(bytes, 0);
  if (outer === undefined || outer.proto !== (outer.family === 6 ? ICMPV6 : ICMP)) return undefined;
  const at = outer.upperAt + ICMP_BYTES;
  const inner = readHeader(bytes, at);
  if (inner === undefined || inner.family !== outer.family) return undefined;
  const { family, proto, upperAt } = inner;
  if (!HAS_PORTS.has(proto) || upperAt + 4 > bytes.length) return undefined;
  const [src, dst] = family === 6 ? [8, 24] : [12, 16];
  return {
    family,
    proto,
    src: formatAddress(bytes, at + src, family),
    dst: formatAddress(bytes, at + dst, family),
    sport: read16(bytes, upperAt),
    dport: read16(bytes, upperAt + 2),
  };
}

interface Header {
  readonly family: Family;
  /** The protocol of the upper layer. */
  readonly proto: number;
  /** Where the upper layer begins, which may be beyond the bytes. */
  readonly upperAt: number;
}

/** Reads the IPv4 or IPv6 header at an offset; undefined for anything else, and for a later fragment. */
function readHeader(bytes: Uint8Array, at: number): Header | undefined {
  const version = at < bytes.length ? bytes[at]! >> 4 : 0;
  if (version === 4 && at + IPV4_BYTES <= bytes.length) return readIpv4(bytes, at);
  if (version === 6 && at + IPV6_BYTES <= bytes.length) return readIpv6(bytes, at);
  return undefined;
}

function readIpv4(bytes: Uint8Array, at: number): Header | undefined {
  const length = (bytes[at]! & 15) * 4;
  const isLaterFragment = (read16(bytes, at + 6) & 0x1fff) !== 0;
  if (length < IPV4_BYTES || isLaterFragment) return undefined;
  return { family: 4, proto: bytes[at + 9]!, upperAt: at + length };
}

/** Lengths are by RFC 8200 and, for the authentication header, by RFC 4302. */
function readIpv6(bytes: Uint8Array, start: number): Header | undefined {
  let proto = bytes[start + 6]!;
  let at = start + IPV6_BYTES;
  while (EXTENSIONS.has(proto)) {
    if (at + 8 > bytes.length) return undefined;
    if (proto === FRAGMENT && (read16(bytes, at + 2) & 0xfff8) !== 0) return undefined;
    const [next, size] = [bytes[at]!, bytes[at + 1]!];
    at += proto === FRAGMENT ? 8 : proto === AUTHENTICATION ? (size + 2) * 4 : (size + 1) * 8;
    proto = next;
  }
  return { family: 6, proto, upperAt: at };
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
