import { BlockList } from 'node:net';
import { parseAddress } from '../../core/address.js';
import type { Family } from '../../core/family.js';
import type { PolicyRule } from '../rule.js';
import type { Addresses } from './address.js';
import type { RuleMatch } from './match.js';
import type { Values } from './values.js';

/** What conntrack has of a connection, in the direction in which it began. */
export interface KnownTuple {
  readonly family: Family;
  readonly proto: number;
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
}

/** The keys of a match whose values conntrack does not have. */
const HIDDEN = ['in', 'mac', 'set', 'dscp', 'fwmark', 'time', 'own', 'uid'] as const;

/**
 * The policy of the first rule that is for a connection; `fallback` where none is. Undefined where one may be for it that asks for
 * more than conntrack knows, such as a device.
 */
export function policyOfTuple(
  rules: readonly PolicyRule[],
  tuple: KnownTuple,
  fallback: string,
): string | undefined {
  for (const { policy, match } of rules) {
    if (!mayMatch(match, tuple)) continue;
    return HIDDEN.some((key) => match[key] !== undefined) ? undefined : policy;
  }
  return fallback;
}

/** Whether nothing that is known of the connection speaks against a match. */
function mayMatch(match: RuleMatch, tuple: KnownTuple): boolean {
  const { family, from, to, proto, sport, dport } = match;
  return (
    (family === undefined || family === tuple.family) &&
    holds(proto, (number) => number === tuple.proto) &&
    holds(sport, ({ low, high }) => low <= tuple.sport && tuple.sport <= high) &&
    holds(dport, ({ low, high }) => low <= tuple.dport && tuple.dport <= high) &&
    holds(from, (addresses) => hasAddress(addresses, tuple.src, tuple.family)) &&
    holds(to, (addresses) => hasAddress(addresses, tuple.dst, tuple.family))
  );
}

function holds<T>(values: Values<T> | undefined, is: (value: T) => boolean): boolean {
  return values === undefined || values.any.some(is) !== (values.not ?? false);
}

/** Whether an address is one of a rule's. */
export function hasAddress({ family, text, kind }: Addresses, address: string, of: Family): boolean {
  if (family !== of) return false;
  if (kind === 'bits') {
    const [value, mask] = text.split('/').map(parseAddress) as [Uint8Array, Uint8Array];
    const bytes = parseAddress(address);
    return bytes.every((byte, i) => (byte & mask[i]!) === value[i]);
  }
  return listOf(text, kind, family).check(address, of === 4 ? 'ipv4' : 'ipv6');
}

const lists = new Map<string, BlockList>();

function listOf(text: string, kind: 'network' | 'range', family: Family): BlockList {
  let list = lists.get(text);
  if (list !== undefined) return list;
  list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const [first, second] = text.split(kind === 'range' ? '-' : '/') as [string, string?];
  if (kind === 'range') list.addRange(first, second!, type);
  else list.addSubnet(first, second === undefined ? (family === 4 ? 32 : 128) : Number(second), type);
  lists.set(text, list);
  return list;
}
