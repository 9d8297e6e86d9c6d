import { formatAddress } from '../../core/address.js';
import type { Family } from '../../core/family.js';

/** Length of the header (RFC 1035 section 4.1.1). */
const HEADER_BYTES = 12;
/** Types of records (RFC 1035 section 3.2.2, RFC 3596). */
export const TYPE = { A: 1, NS: 2, AAAA: 28 } as const;
const CLASS_IN = 1;
const RCODES: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
};

/** Builds a query for the name servers of `.`, or for an address of any other name. */
export function dnsQuery(id: number, name: string, addressType: number = TYPE.A): Uint8Array {
  const labels = name.split('.').filter((label) => label !== '');
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label, 'ascii');
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  // Recursion desired.
  header.writeUInt16BE(0x0100, 2);
  header.writeUInt16BE(1, 4);
  const type = labels.length === 0 ? TYPE.NS : addressType;
  return Buffer.concat([header, ...parts, Buffer.from([0, 0, type, 0, CLASS_IN])]);
}

/**
 * The rcode of an answer to `query`, as a word; undefined when `message` is not an answer to it. A wrong id or question
 * gives away a sender that does not see our packets (RFC 5452 section 3).
 */
export function dnsAnswer(query: Uint8Array, message: Uint8Array): string | undefined {
  const question = query.subarray(HEADER_BYTES);
  if (message.length < HEADER_BYTES) return undefined;
  if (message[0] !== query[0] || message[1] !== query[1]) return undefined;
  const isResponse = (message[2]! & 0x80) !== 0;
  if (!isResponse) return undefined;
  const rcode = message[3]! & 0x0f;
  const repeats = message.subarray(HEADER_BYTES, HEADER_BYTES + question.length);
  // An error may come without the question. Names are compared byte by byte, since servers repeat them unchanged.
  const questions = (message[4]! << 8) | message[5]!;
  if (questions === 0 && rcode === 0) return undefined;
  if (questions !== 0 && Buffer.compare(repeats, question) !== 0) return undefined;
  return RCODES[rcode] ?? `rcode ${rcode}`;
}

/**
 * The addresses in an answer to `query` that {@link dnsAnswer} takes for one. The names of records are not looked at, since
 * an alias has the address of another name. What is cut off is left out.
 */
export function dnsAddresses(query: Uint8Array, message: Uint8Array, family: Family): string[] {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const [type, bytes] = family === 4 ? [TYPE.A, 4] : [TYPE.AAAA, 16];
  const found: string[] = [];
  let at = query.length;
  for (let left = view.getUint16(6); left > 0; left--) {
    at = endOfName(message, at);
    // Type, class, time to live and length (RFC 1035 section 4.1.3).
    const data = at + 10;
    if (data > message.length) break;
    const length = view.getUint16(at + 8);
    if (view.getUint16(at) === type && length === bytes && data + length <= message.length)
      found.push(formatAddress(message, data, family));
    at = data + length;
  }
  return found;
}

/** Where a name ends that begins at `at`: with the label of the root, or a pointer (RFC 1035 section 4.1.4). */
function endOfName(message: Uint8Array, at: number): number {
  for (let i = at; i < message.length; i += 1 + message[i]!) {
    if (message[i] === 0) return i + 1;
    if (message[i]! >= 0xc0) return i + 2;
  }
  return message.length;
}
