import { isIPv4, isIPv6 } from 'node:net';
import { formatAddress, parseAddress } from '../../core/address.js';
import type { Family } from '../../core/family.js';
import { UsageError } from '../../errors.js';

/** Addresses of a rule: a network, every address with some bits, or all from one address to another. */
export interface Addresses {
  readonly family: Family;
  /**
   * `10.0.0.0/8`, `0.0.0.1/0.0.0.1` (the odd ones), `10.0.0.5-10.0.0.9`.
   */
  readonly text: string;
  readonly kind: 'network' | 'bits' | 'range';
}

const FORM = 'use for example 192.168.1.0/24, 192.168.1.5-192.168.1.9, 0.0.0.1/0.0.0.1 or 2001:db8::/32';

/** Reads the addresses of one value. @throws UsageError */
export function parseAddresses(where: string, text: string): Addresses {
  // A file of a set has 50,000 of them, and an error costs ten times what reading an address does.
  const wrong = () => new UsageError(`${where}: "${text}" is not an address or a network; ${FORM}`);
  const [low = '', high, ...more] = text.split('-');
  if (high !== undefined) {
    const family = familyOf(low);
    if (family === undefined || family !== familyOf(high) || more.length > 0) throw wrong();
    if (Buffer.compare(parseAddress(low), parseAddress(high)) > 0)
      throw new UsageError(`${where}: "${text}" must go from a lower address to a higher one`);
    return { family, text: `${low}-${high}`, kind: 'range' };
  }
  const [address = '', bits, ...rest] = text.split('/');
  const family = familyOf(address);
  if (family === undefined || rest.length > 0) throw wrong();
  if (bits === undefined) return { family, text: network(address, family === 4 ? 32 : 128), kind: 'network' };
  if (familyOf(bits) === family) return masked(where, family, address, bits);
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) throw wrong();
  return { family, text: network(address, Number(bits)), kind: 'network' };
}

function familyOf(address: string): Family | undefined {
  if (isIPv4(address)) return 4;
  return isIPv6(address) && !address.includes('%') ? 6 : undefined;
}

/** The network as the kernel's programs print it: without bits that the length leaves out, an address without a length. */
function network(address: string, length: number): string {
  const bytes = parseAddress(address).map(
    (byte, i) => byte & (0xff << Math.min(8, Math.max(0, 8 * (i + 1) - length))),
  );
  const text = formatAddress(bytes, 0, bytes.length === 4 ? 4 : 6);
  return length === 8 * bytes.length ? text : `${text}/${length}`;
}

/** A mask whose ones come first is a prefix; one with holes stays as it is. */
function masked(where: string, family: Family, address: string, mask: string): Addresses {
  const bits = [...parseAddress(mask)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const prefix = /^(1*)0*$/.exec(bits)?.[1];
  if (prefix !== undefined) return { family, text: network(address, prefix.length), kind: 'network' };
  const value = parseAddress(address);
  if (value.some((byte, i) => (byte & ~parseAddress(mask)[i]!) !== 0)) {
    throw new UsageError(
      `${where}: "${address}/${mask}" asks for bits that its mask leaves out; it would never match`,
    );
  }
  return { family, text: `${address}/${mask}`, kind: 'bits' };
}
