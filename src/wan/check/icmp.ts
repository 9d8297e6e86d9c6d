import type { Family } from '../../core/family.js';

/** ICMP types of echo request and reply (RFC 792, RFC 4443 section 4). */
const TYPES = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
const HEADER_BYTES = 8;

/** Builds an echo request. Its checksum is for IPv4; for IPv6 the kernel writes another one (RFC 3542 section 3.1). */
export function echoRequest(family: Family, id: number, payload: Uint8Array): Uint8Array {
  const message = Buffer.alloc(HEADER_BYTES + payload.length);
  message[0] = TYPES[family].request;
  message.writeUInt16BE(id, 4);
  message.writeUInt16BE(1, 6);
  message.set(payload, HEADER_BYTES);
  if (family === 4) message.writeUInt16BE(checksum(message), 2);
  return message;
}

/**
 * Whether `message` is the reply to a request with this payload. The payload identifies it, since the kernel replaces
 * the identifier of a ping socket.
 *
 * @param withHeader whether the message begins with the IPv4 header, as on a raw socket
 */
export function isEchoReply(
  family: Family,
  message: Uint8Array,
  payload: Uint8Array,
  withHeader: boolean,
): boolean {
  const at = withHeader && family === 4 ? ((message[0] ?? 0) & 0xf) * 4 : 0;
  if (message[at] !== TYPES[family].reply) return false;
  return Buffer.compare(message.subarray(at + HEADER_BYTES), payload) === 0;
}

/** The Internet checksum (RFC 1071). */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
