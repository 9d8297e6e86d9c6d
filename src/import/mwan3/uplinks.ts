import { nearest } from '../../config/nearest.js';
import { DEVICE } from '../../config/wan.js';
import type { Family } from '../../core/family.js';
import type { Item } from '../draft.js';
import type { Findings } from '../findings.js';
import { Names } from '../names.js';
import type { Section } from '../uci/section.js';
import type { Network } from './network.js';

/** An interface of mwan3 that is enabled: one family of an uplink. */
export interface Uplink {
  /** The name of our WAN. */
  readonly name: string;
  readonly family: Family;
  readonly section: Section;
  /** The WAN, apart from the state that it begins with. */
  readonly item: Item;
}

/** The interfaces of mwan3, by name. */
export interface Uplinks {
  readonly usable: ReadonlyMap<string, Uplink>;
  /** Whether mwan3 has a section of that name, be it enabled or not. */
  readonly declared: ReadonlySet<string>;
}

/** @param network undefined where nobody gave us that file */
export function readUplinks(
  sections: readonly Section[],
  network: Network | undefined,
  findings: Findings,
): Uplinks {
  const names = new Names([]);
  const usable = new Map<string, Uplink>();
  const declared = sections.filter(({ type, name }) => type === 'interface' && name !== undefined);
  for (const section of declared) {
    const uplink = readUplink(section, network, names, findings);
    if (uplink !== undefined) usable.set(section.name!, uplink);
  }
  return { usable, declared: new Set(declared.map(({ name }) => name!)) };
}

function readUplink(
  section: Section,
  network: Network | undefined,
  names: Names,
  findings: Findings,
): Uplink | undefined {
  const wanted = section.name!;
  if (!section.isOn('enabled', false)) {
    findings.note(section.lineOf('enabled'), `interface ${wanted} is not enabled, so it is left out`);
    return undefined;
  }
  const family = readFamily(section, findings);
  const key = family === 4 ? 'via' : 'via6';
  const found = network?.get(wanted);
  if (network !== undefined && !network.names.includes(wanted)) {
    const near = nearest(wanted, network.names);
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    findings.note(
      section.at,
      `the network has no interface ${wanted}, so mwan3 never used it and it is left out${hint}`,
    );
    return undefined;
  }
  if (found === undefined || found.guessed) {
    const dev = found?.dev ?? wanted;
    findings.lost(
      section.at,
      `the device of ${wanted} is not known; put it in the place of dev: ${dev}${network === undefined ? ', or add --network /etc/config/network' : ''}`,
    );
  }
  const name = names.take(wanted, '-2');
  const dev = found?.dev ?? (DEVICE.test(wanted) ? wanted : name);
  return {
    name,
    family,
    section,
    item: {
      keys: { name, dev, [key]: found?.via(family) ?? 'auto' },
      from: [...section.lines('enabled', 'family', 'initial_state'), ...(found?.lines ?? [])],
    },
  };
}

/**
 * The WAN of an uplink. One that nobody looks at does not start down, since nobody could find it up; mwan3 has it up as
 * well.
 */
export function wanOf({ item, section }: Uplink, checks: readonly Item[]): Item {
  if (section.get('initial_state') !== 'offline' || checks.length === 0) return item;
  return { ...item, keys: { ...item.keys, initial: 'down' } };
}

function readFamily(section: Section, findings: Findings): Family {
  const family = section.get('family') ?? 'ipv4';
  if (family === 'ipv6') return 6;
  if (family !== 'ipv4')
    findings.lost(section.lineOf('family'), `family ${family} is neither ipv4 nor ipv6; ipv4 is taken`);
  return 4;
}
