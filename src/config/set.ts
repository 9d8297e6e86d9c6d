import { isAbsolute } from 'node:path';
import { UsageError } from '../errors.js';
import { SET_KEYS } from './keys.js';
import { parseAddresses } from './match/address.js';
import { splitValues } from './match/values.js';
import { rejectUnknownKeys, textOf, toRecord } from './record.js';

/** Networks by a name that rules use. */
export interface NamedSet {
  /** 1 to 20 letters, digits, dots, dashes or underscores; the name of a kernel's set has 31, with ours before it. */
  readonly name: string;
  readonly source:
    | { readonly kind: 'net'; readonly networks: readonly string[] }
    /** An absolute path; a network to a line. */
    | { readonly kind: 'file'; readonly path: string }
    /** The name of an ipset that somebody else fills. */
    | { readonly kind: 'external'; readonly ipset: string };
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$/;
/** IPSET_MAXNAMELEN is 32, its end included. */
const IPSET = /^[\w.:-]{1,31}$/;

/** Reads the sets. @throws UsageError */
export function parseSets(raw: readonly unknown[]): readonly NamedSet[] {
  const sets = raw.map((item) =>
    // A word without a value, in a flag.
    parseSet(
      toRecord('set', typeof item === 'string' ? item.replace(/,external(?=,|$)/, ',external=true') : item),
    ),
  );
  const twin = sets.find(({ name }, i) => sets.findIndex((one) => one.name === name) !== i);
  if (twin !== undefined) throw new UsageError(`two sets are named "${twin.name}"; give each its own name`);
  return Object.freeze(sets);
}

function parseSet(record: Readonly<Record<string, unknown>>): NamedSet {
  const name = textOf(record, 'name') ?? '';
  if (!NAME.test(name))
    throw new UsageError(`set name "${name}" must be 1 to 20 letters, digits, dots, dashes or underscores`);
  const where = `set "${name}"`;
  rejectUnknownKeys(where, record, Object.keys(SET_KEYS));
  const given = ['net', 'file', 'external'].filter(
    (key) => record[key] !== undefined && record[key] !== false,
  );
  if (given.length !== 1) {
    throw new UsageError(
      given.length === 0
        ? `${where} has no networks; add net=NETWORK+NETWORK, file=PATH or external`
        : `${where} has both ${given[0]} and ${given[1]}; make a set of each`,
    );
  }
  return Object.freeze({ name, source: Object.freeze(parseSource(where, name, given[0]!, record)) });
}

function parseSource(
  where: string,
  name: string,
  kind: string,
  record: Readonly<Record<string, unknown>>,
): NamedSet['source'] {
  if (kind === 'net') {
    const { any, not } = splitValues(`${where}: net`, record.net);
    if (not) throw new UsageError(`${where}: net cannot have "!"; write it in the rule, set=!${name}`);
    return { kind, networks: any.map((text) => setNetwork(where, text)) };
  }
  if (kind === 'file') {
    const path = textOf(record, 'file')!;
    if (!isAbsolute(path)) throw new UsageError(`${where}: file "${path}" must be an absolute path`);
    return { kind, path };
  }
  const ipset = String(record.external) === 'true' ? name : String(record.external);
  if (!IPSET.test(ipset) || ipset.startsWith('WANMARK_'))
    throw new UsageError(`${where}: "${ipset}" is not the name of an ipset of somebody else`);
  return { kind: 'external', ipset };
}

/** Reads a network of a set: one that a set of the kernel can hold. @throws UsageError */
export function setNetwork(where: string, text: string): string {
  const { kind, text: network } = parseAddresses(where, text);
  if (kind !== 'network')
    throw new UsageError(
      `${where}: "${text}" is not a network; a set holds for example 10.0.0.0/8 or 2001:db8::/32`,
    );
  if (/\/0$/.test(network))
    throw new UsageError(`${where}: "${text}" is every address, and a set cannot hold it`);
  return network;
}

/** The set as a flag. */
export function setText({ name, source }: NamedSet): string {
  switch (source.kind) {
    case 'net':
      return `${name},net=${source.networks.join('+')}`;
    case 'file':
      return `${name},file=${source.path}`;
    case 'external':
      return `${name},external${source.ipset === name ? '' : `=${source.ipset}`}`;
  }
}
