import { isIPv4, isIPv6 } from 'node:net';
import { shortAddress } from '../config/endpoint.js';
import { parseAddress } from '../core/address.js';
import type { Family } from '../core/family.js';

/** A network as bits: it covers another exactly when its bits begin the other's. */
export interface Network {
  readonly family: Family;
  /** The text that the network was read from. */
  readonly text: string;
  /** The prefix as a text of `0` and `1`. */
  readonly bits: string;
}

/** Reads `10.0.0.0/8`, `fd00::/8` or an address; undefined for anything else. Bits after the prefix are ignored. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const family = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 6 : undefined;
  if (family === undefined || rest.length > 0) return undefined;
  const all = family === 4 ? 32 : 128;
  if (length !== undefined && !(/^\d{1,3}$/.test(length) && Number(length) <= all)) return undefined;
  const bytes = parseAddress(family === 6 ? shortAddress(address) : address);
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return { family, text, bits: bits.slice(0, length === undefined ? all : Number(length)) };
}

/**
 * The networks of a family that no other one covers, in the order of their bits; see {@link widest}. IPv4 has a way of
 * its own, since a router that speaks BGP has a hundred thousand.
 */
export function widestNetworks(texts: readonly string[], family: Family): string[] {
  if (family === 6) {
    // Most lists are of IPv4, of which there may be very many.
    const networks = texts.flatMap((text) => (text.includes(':') ? (parseNetwork(text) ?? []) : []));
    return widest(networks.filter((network) => network.family === 6)).map(({ text }) => text);
  }
  const networks: { readonly key: number; readonly text: string }[] = [];
  for (const text of texts) {
    const key = ipv4Key(text);
    if (key !== undefined && key % PREFIXES !== 0) networks.push({ key, text });
  }
  // The kernel tells its routes nearly in this order, so there is little to sort.
  networks.sort((a, b) => a.key - b.key || compare(a.text, b.text));
  const kept: string[] = [];
  let end = -1;
  for (const { key, text } of networks) {
    const base = Math.floor(key / PREFIXES);
    if (base <= end) continue;
    end = base + 2 ** (32 - (key % PREFIXES)) - 1;
    kept.push(text);
  }
  return kept;
}

/** More than the longest prefix. */
const PREFIXES = 64;

/**
 * A number that sorts networks by their first address, and shorter prefixes first; undefined for what is not IPv4. Read
 * letter by letter, which takes a tenth of what an expression does.
 */
function ipv4Key(text: string): number | undefined {
  let address = 0;
  let dots = 0;
  let number = 0;
  let digits = 0;
  let at = 0;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === SLASH) break;
    if (code === DOT) {
      if (digits === 0 || number > 255 || ++dots > 3) return undefined;
      address = address * 256 + number;
      number = digits = 0;
    } else {
      if (code < ZERO || code > ZERO + 9 || ++digits > 3) return undefined;
      number = number * 10 + code - ZERO;
    }
  }
  if (dots !== 3 || digits === 0 || number > 255) return undefined;
  address = address * 256 + number;
  const given = text.slice(at + 1);
  const length = at === text.length ? 32 : Number(given);
  if (at < text.length && !(/^\d{1,2}$/.test(given) && length <= 32)) return undefined;
  const size = 2 ** (32 - length);
  return Math.floor(address / size) * size * PREFIXES + length;
}

const [ZERO, DOT, SLASH] = [0x30, 0x2e, 0x2f];

/** Whether every address of `inner` is one of `outer`. */
export function covers(outer: Network, inner: Network): boolean {
  return outer.family === inner.family && inner.bits.startsWith(outer.bits);
}

/**
 * The networks that no other one covers, in the order of their bits. A network of all addresses is left out, since it
 * says nothing.
 */
export function widest(networks: readonly Network[]): Network[] {
  const sorted = networks
    .filter(({ bits }) => bits !== '')
    .toSorted((a, b) => compare(a.bits, b.bits) || compare(a.text, b.text));
  const kept: Network[] = [];
  for (const network of sorted) {
    // A covering network has a shorter prefix of the same bits, so it comes before this one and is the last that was
    // kept.
    const last = kept.at(-1);
    if (last === undefined || !covers(last, network)) kept.push(network);
  }
  return kept;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
