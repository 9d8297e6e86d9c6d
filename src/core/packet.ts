import { ICMP, ICMPV6, protocolName, TCP, UDP } from './protocol.js';

/** The headers of a packet for people to read: fields by their RFC names, absent where the bytes ended. */
export type DecodedPacket = Readonly<Record<string, string | number>>;

const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'];

/**
 * Decodes the network header at `bytes[0]`, and the fields of the transport header that the log line of the decision
 * does not show. Never reads beyond `bytes`.
 * @param proto upper-layer protocol, as the queue's parser found it behind any extension headers
 */
export function decodePacket(bytes: Uint8Array, proto: number): DecodedPacket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes.length > 0 ? bytes[0]! >> 4 : 0;
  if (version === 4 && bytes.length >= 20) {
    const headerLength = (bytes[0]! & 15) * 4;
    return { ...decodeIpv4(view), ...decodeTransport(view, headerLength, proto) };
  }
  // The transport header is at a fixed place only when there are no extension headers (RFC 8200).
  if (version === 6 && bytes.length >= 40) {
    return { ...decodeIpv6(view), ...(bytes[6] === proto ? decodeTransport(view, 40, proto) : {}) };
  }
  return { version };
}

/** Two hex digits for each byte without separators, which `xxd -r -p` reads back. */
export function hexDump(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** The IPv4 header, RFC 791. */
function decodeIpv4(view: DataView): DecodedPacket {
  const fragment = view.getUint16(6);
  return {
    version: 4,
    dscp: view.getUint8(1) >> 2,
    length: view.getUint16(2),
    id: view.getUint16(4),
    flags: [fragment & 0x4000 ? 'DF' : '', fragment & 0x2000 ? 'MF' : ''].filter(Boolean).join(',') || 'none',
    ttl: view.getUint8(8),
    protocol: protocolName(view.getUint8(9)),
  };
}

/** The IPv6 header, RFC 8200. */
function decodeIpv6(view: DataView): DecodedPacket {
  return {
    version: 6,
    trafficClass: (view.getUint16(0) >> 4) & 0xff,
    flowLabel: view.getUint32(0) & 0xfffff,
    payloadLength: view.getUint16(4),
    nextHeader: protocolName(view.getUint8(6)),
    hopLimit: view.getUint8(7),
  };
}

/** The first fields of TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792) and ICMPv6 (RFC 4443). */
function decodeTransport(view: DataView, at: number, proto: number): DecodedPacket {
  const left = view.byteLength - at;
  if (proto === TCP && left >= 16) {
    const bits = view.getUint8(at + 13);
    return {
      tcpFlags: TCP_FLAGS.filter((_, i) => bits & (1 << i)).join(',') || 'none',
      seq: view.getUint32(at + 4),
      ack: view.getUint32(at + 8),
      window: view.getUint16(at + 14),
    };
  }
  if (proto === UDP && left >= 8) return { udpLength: view.getUint16(at + 4) };
  if ((proto === ICMP || proto === ICMPV6) && left >= 2)
    return { icmpType: view.getUint8(at), icmpCode: view.getUint8(at + 1) };
  return {};
}
