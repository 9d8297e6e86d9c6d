import { BlockList } from 'node:net';
import { parseAddresses } from '../config/match/address.js';
import { FAMILIES, type Family } from '../core/family.js';
import { accepted } from './accepted.js';

/** Networks as a source lists them. */
export interface Networks {
  /** As we write them; empty where everything is meant. */
  readonly list: readonly string[];
  /** The families that an address of the list can be of. */
  readonly families: readonly Family[];
}

/**
 * Reads addresses and networks, with a prefix length or a mask; a mask may have holes.
 * @returns the first that is no network, as text
 */
export function readNetworks(texts: readonly string[]): Networks | string {
  const list = new Set<string>();
  const families = new Set<Family>();
  let all = false;
  for (const given of texts) {
    const network = accepted(() => parseAddresses('', given));
    if (network === undefined) return given;
    families.add(network.family);
    if (/\/0$/.test(network.text)) all = true;
    list.add(network.text.replace(network.family === 4 ? /\/32$/ : /\/128$/, ''));
  }
  return { list: all ? [] : [...list], families: texts.length === 0 ? FAMILIES : [...families] };
}

/** Whether a network holds all of another one, or of an address; one with a mask that has holes holds nothing. */
export function covers(outer: string, inner: string): boolean {
  const [a, b] = [parts(outer), parts(inner)];
  if (a === undefined || b === undefined || a.length > b.length) return false;
  const list = new BlockList();
  list.addSubnet(a.address, a.length, a.type);
  return a.type === b.type && list.check(b.address, b.type);
}

function parts(text: string) {
  const read = accepted(() => parseAddresses('', text));
  if (read?.kind !== 'network') return undefined;
  const [address = '', length] = read.text.split('/');
  const all = read.family === 4 ? 32 : 128;
  return { address, length: Number(length ?? all), type: `ipv${read.family}` } as const;
}
