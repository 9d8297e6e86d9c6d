/** Length of the header (RFC 1035 section 4.1.1). */
const HEADER_BYTES = 12;
const TYPE_A = 1;
const TYPE_NS = 2;
const CLASS_IN = 1;
const RCODES: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
};

/** Builds a query for the name servers of `.`, or for the IPv4 address of any other name. */
export function dnsQuery(id: number, name: string): Uint8Array {
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
  const type = labels.length === 0 ? TYPE_NS : TYPE_A;
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
