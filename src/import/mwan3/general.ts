import type { Item } from '../draft.js';
import type { Findings } from '../findings.js';
import type { Section } from '../uci/section.js';
import type { Uplinks } from './uplinks.js';

/** The bits that mwan3 uses where nobody chose any: now, and before version 2.7. */
const STANDARD_MASKS = [0x3f00, 0xff00];
/** Events of `flush_conntrack`: `always` is the word of old versions for the first two. */
const ON_UP = ['always', 'ifup', 'connected'];

/** The options that hold for everything. */
export function readGeneral(sections: readonly Section[], uplinks: Uplinks, findings: Findings): Item[] {
  const globals = sections.filter(({ type }) => type === 'globals');
  for (const section of globals) noteTables(section, findings);
  return [
    ...globals.flatMap((section) => mask(section, findings)),
    // Versions before 2.9 have it so.
    ...globals
      .filter((section) => section.get('local_source') === 'none')
      .map((section) => ({ keys: { own: 'off' }, from: section.lines('local_source') })),
    ...flush(uplinks, findings),
    ...logging(globals, sections),
  ];
}

function mask(section: Section, findings: Findings): Item[] {
  const given = section.get('mmx_mask');
  if (given === undefined) return [];
  const value = Number(given);
  const ones = value.toString(2).replace(/0*$/, '');
  if (!Number.isInteger(value) || value < 1 || value > 0xffff_ffff || ones.includes('0')) {
    findings.lost(
      section.lineOf('mmx_mask'),
      `mmx_mask ${given} is not one run of bits; the default is taken`,
    );
    return [];
  }
  // Nobody chose these, and ours is apart from the bits of more programs.
  if (STANDARD_MASKS.includes(value)) return [];
  return [{ keys: { mask: `0x${value.toString(16)}` }, from: section.lines('mmx_mask') }];
}

function noteTables(section: Section, findings: Findings): void {
  for (const table of section.all('rt_table_lookup')) {
    findings.note(
      section.lineOfValue('rt_table_lookup', table),
      'routes of such tables are not looked at here; what an ip rule of somebody leads to them is left alone',
    );
  }
}

/**
 * What mwan3 does to all connections when an interface changes, we do to those of the WAN that went, or that came and
 * takes its traffic back. Without the option nothing is cut; connections of a dead WAN then hang, so ours are cut unless
 * somebody wrote `never`.
 */
function flush({ usable }: Uplinks, findings: Findings): Item[] {
  const sections = [...usable.values()].map(({ section }) => section);
  const given = sections.filter((section) => section.get('flush_conntrack') !== undefined);
  const events = given.map((section) => section.all('flush_conntrack'));
  const from = given.flatMap((section) => section.lines('flush_conntrack').slice(1));
  const [first] = given;
  if (first === undefined) return [];
  const words = events.map((list) => [...list].sort().join(' '));
  if (given.length < sections.length || new Set(words).size > 1) {
    findings.lost(
      first.lineOf('flush_conntrack'),
      'interfaces have different flush_conntrack; on-up and on-down hold for all WANs',
    );
  }
  if (events.every((list) => list.every((event) => event === 'never')))
    return [{ keys: { 'on-down': 'none' }, from }];
  return events.some((list) => list.some((event) => ON_UP.includes(event)))
    ? [{ keys: { 'on-up': 'all' }, from }]
    : [{ keys: { 'on-down': 'all' }, from }];
}

/** mwan3 logs what meets a rule with `logging` if it may log at all. */
function logging(globals: readonly Section[], sections: readonly Section[]): Item[] {
  const allowed = globals.find((section) => section.isOn('logging', false));
  const logged = sections.filter(({ type }) => type === 'rule').filter((rule) => rule.isOn('logging', false));
  if (allowed === undefined || logged.length === 0) return [];
  return [
    {
      keys: { 'log-kernel': true },
      from: [allowed.lineOf('logging'), ...logged.map((rule) => rule.lineOf('logging'))],
      remark: 'all new connections, not those of some rules alone',
    },
  ];
}
