import type { Flow } from './flow.js';
import { mix } from './hash.js';

/** The parts of a flow that can be hashed. */
export const HASH_FIELDS = ['src', 'sport', 'dst', 'dport', 'proto'] as const;
/** A field of a flow that a hash may go by. */
export type HashField = (typeof HASH_FIELDS)[number];

/** Each part as a number whose bits depend on all of its bits. */
const READ: Readonly<Record<HashField, (flow: Flow) => number>> = {
  src: (flow) => flow.srcHash,
  sport: (flow) => mix(flow.sport),
  dst: (flow) => flow.dstHash,
  dport: (flow) => mix(flow.dport),
  proto: (flow) => mix(flow.proto),
};

/** 2^32 divided by the golden ratio: keeps a source and a destination that are equal from cancelling out. */
const STEP = 0x9e3779b1;

/**
 * Makes the hash of some parts of a flow, 32 bits, the same on every machine. In arithmetic of 32 bits it is
 *
 *     hash = value(first field); for each other field: hash = mix(hash * 0x9e3779b1 ^ value(field))
 *
 * with the fields in the order of {@link HASH_FIELDS}. The value of an address is the `hashBytes` (hash.ts) of its 4 or
 * 16 bytes in network order, that of a port or the protocol is the `mix` of the number. Ports are as in `Batch`: 0 where
 * there are none; `sport` is the identifier of an ICMP echo, `dport` the type and code of any ICMP.
 *
 * It has no key. Whoever can choose the parts of his packets can choose his WAN, as he can by opening more connections;
 * and a key would move all clients with each start. FNV-1a takes a multiplication a byte, some 10 ns for an IPv6 address.
 *
 * @param fields one or more; their order does not matter
 */
export function flowHash(fields: readonly HashField[]): (flow: Flow) => number {
  const [first, ...others] = HASH_FIELDS.filter((field) => fields.includes(field)).map(
    (field) => READ[field],
  );
  if (first === undefined) throw new RangeError('a hash needs at least one field');
  return (flow) => others.reduce((hash, read) => mix(Math.imul(hash, STEP) ^ read(flow)), first(flow));
}
