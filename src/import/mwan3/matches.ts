import { FAMILIES, type Family } from '../../core/family.js';
import { readNetworks } from '../addresses.js';
import type { Keys, Value } from '../draft.js';
import { CannotSay, type Findings } from '../findings.js';
import type { Section } from '../uci/section.js';
import { commaParts, oneOrMore, portValues, protocolValue } from '../values.js';
import type { Network } from './network.js';
import type { Sets } from './sets.js';

/** Options of a rule that say which traffic it is for. */
export const MATCH_OPTIONS = [
  'family',
  'proto',
  'src_ip',
  'src_port',
  'src_iface',
  'dest_ip',
  'dest_port',
  'ipset',
];
/** A list of more networks becomes a set, which costs the kernel one question. */
const MOST_NETWORKS = 16;

/** What a rule of mwan3 is for. */
export interface Match {
  readonly keys: Keys;
  /** The families in which it can hold; without any it never does. */
  readonly families: readonly Family[];
}

/** Where the rest of a rule's words is. */
export interface MatchContext {
  readonly network: Network | undefined;
  readonly sets: Sets;
  readonly findings: Findings;
}

/** @returns undefined where it never holds @throws CannotSay */
export function readMatch(section: Section, { network, sets, findings }: MatchContext): Match | undefined {
  const from = readSide(section, 'src_ip');
  const named = readSide(section, 'dest_ip');
  const to = { ...named, list: withoutReached(section, named.list, network, findings) };
  if (to.list.length === 0 && named.list.length > 0) return undefined;
  const given = section.get('family');
  // mwan3 skips a rule in a family as soon as one of its addresses is of the other one.
  const families = FAMILIES.filter(
    (family) => given !== (family === 4 ? 'ipv6' : 'ipv4') && from.isOnly(family) && to.isOnly(family),
  );
  const isPlain = from.list.length === 0 && to.list.length === 0;
  return {
    families,
    keys: {
      ...(families.length === 1 && isPlain ? { family: families[0]! } : {}),
      ...(from.list.length === 0 ? {} : { from: oneOrMore(from.list) }),
      ...readDestination(section, to.list, sets),
      ...readDevice(section, network),
      ...readProtocol(section, findings),
    },
  };
}

function readSide(section: Section, key: string) {
  const texts = commaParts(section.all(key));
  const networks = readNetworks(texts);
  if (typeof networks === 'string')
    throw new CannotSay(
      section.lineOf(key),
      `"${networks}" is not an address or network; ${section.title} is left out`,
    );
  const { list, families } = networks;
  return { list, isOnly: (family: Family) => texts.length === 0 || families.join() === String(family) };
}

/**
 * mwan3 has its rules behind those for what the main table reaches by more than its default route (mwan3_connected); here a
 * rule that names a part of that comes first. One for the main table says of it what is so anyway.
 */
function withoutReached(
  section: Section,
  list: readonly string[],
  network: Network | undefined,
  findings: Findings,
): readonly string[] {
  const reached = list.filter((one) => network?.reaches(one));
  if (reached.length === 0 || section.get('use_policy') === 'default') return list;
  findings.note(
    section.lineOf('dest_ip'),
    `mwan3 leaves alone what the main table reaches by a route of its own, so ${section.title} is never for ${reached.join(', ')}`,
  );
  return list.filter((one) => !reached.includes(one));
}

/** A set of others may have addresses of either family. */
function readDestination(section: Section, list: readonly string[], sets: Sets): Keys {
  const ipset = section.get('ipset');
  // A set of the kernel holds no masks with holes.
  const isLong = list.length > MOST_NETWORKS && list.every((net) => !/\/.*[.:]/.test(net));
  if (ipset === undefined && isLong) return { set: sets.listed(list, section) };
  return {
    ...(list.length === 0 ? {} : { to: oneOrMore(list) }),
    ...(ipset === undefined ? {} : { set: sets.external(ipset, section) }),
  };
}

function readDevice(section: Section, network: Network | undefined): Keys {
  const name = section.get('src_iface');
  if (name === undefined) return {};
  const found = network?.get(name);
  if (found !== undefined) return { in: found.dev };
  const hint = network === undefined ? '; add --network /etc/config/network' : '';
  throw new CannotSay(
    section.lineOf('src_iface'),
    `the device of interface ${name} is not known, so ${section.title} is left out${hint}`,
  );
}

/** mwan3 ignores ports without tcp or udp, and the rule takes everything. */
function readProtocol(section: Section, findings: Findings): Keys {
  const proto = section.get('proto') ?? 'all';
  const keys: Record<string, Value> = {};
  if (proto !== 'all') keys.proto = protocolValue(proto, section.lineOf('proto'), section.title);
  for (const [ours, theirs] of [
    ['sport', 'src_port'],
    ['dport', 'dest_port'],
  ] as const) {
    const ports = commaParts(section.all(theirs));
    const at = section.lineOf(theirs);
    if (ports.length === 0) continue;
    if (proto === 'tcp' || proto === 'udp') keys[ours] = portValues(ports, at, section.title);
    else
      findings.note(
        at,
        `mwan3 ignores ${theirs} without proto tcp or udp, so ${section.title} is for all ports; so it is here`,
      );
  }
  return keys;
}
