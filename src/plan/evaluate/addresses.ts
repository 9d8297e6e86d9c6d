import { parseAddress } from '../../core/address.js';
import type { Family } from '../../core/family.js';
import type { Facts } from '../facts.js';
import { covers, parseNetwork } from '../network.js';

/** Whether an address is in a network, or has the bits that an address and a mask with holes ask for. */
export function isIn(address: string, network: string): boolean {
  const [base = '', mask = ''] = network.split('/');
  if (!/[.:]/.test(mask)) return isCovered(address, network);
  const [own, asked, bits] = [address, base, mask].map(parseAddress);
  if (own!.length !== asked!.length) return false;
  return own!.every((byte, i) => ((byte ^ asked![i]!) & bits![i]!) === 0);
}

function isCovered(address: string, network: string): boolean {
  const [outer, inner] = [parseNetwork(network), parseNetwork(address)];
  return outer !== undefined && inner !== undefined && covers(outer, inner);
}

/** Whether an address is one of `LOW-HIGH`. */
export function isInRange(address: string, range: string): boolean {
  const own = parseAddress(address);
  const [low, high] = range.split('-').map(parseAddress);
  return own.length === low!.length && Buffer.compare(own, low!) >= 0 && Buffer.compare(own, high!) <= 0;
}

const LOOPBACK: Readonly<Record<Family, string>> = { 4: '127.0.0.0/8', 6: '::1' };
/** Addresses that are no host's: multicast, the broadcast to all, and those of this network (RFC 1122, RFC 4291). */
const NOT_UNICAST: Readonly<Record<Family, readonly string[]>> = {
  4: ['224.0.0.0/4', '255.255.255.255', '0.0.0.0/8'],
  6: ['ff00::/8', '::'],
};

/**
 * The type of an address in the local table. The broadcast of a network counts as unicast: the main table has a route to
 * its network, which is asked first.
 */
export function typeOf(address: string, family: Family, { addresses }: Facts): 'local' | 'unicast' | 'other' {
  if (isIn(address, LOOPBACK[family])) return 'local';
  if (addresses[family].some((own) => own.address.split('/', 1)[0] === address)) return 'local';
  return NOT_UNICAST[family].some((network) => isIn(address, network)) ? 'other' : 'unicast';
}
