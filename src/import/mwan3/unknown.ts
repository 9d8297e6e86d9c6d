import type { Findings } from '../findings.js';
import type { Section } from '../uci/section.js';
import { CHECK_OPTIONS } from './checks.js';
import { MATCH_OPTIONS } from './matches.js';

/** The options of each kind of section that mwan3 reads, or read once. */
const KNOWN: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    globals: [
      'enabled',
      'mmx_mask',
      'local_source',
      'rtmon_interval',
      'rt_table_lookup',
      'logging',
      'loglevel',
      'debug',
      'mode',
    ],
    interface: ['enabled', 'initial_state', 'family', 'flush_conntrack', ...CHECK_OPTIONS],
    condition: ['interface', ...CHECK_OPTIONS],
    member: ['interface', 'metric', 'weight'],
    policy: ['use_member', 'last_resort'],
    rule: [...MATCH_OPTIONS, 'sticky', 'timeout', 'use_policy', 'logging', 'enabled'],
  }),
);

/** Names what libuci refuses with the whole file: two sections of different kinds that have one name. */
export function noteSharedNames(sections: readonly Section[], findings: Findings): void {
  const seen = new Map<string, Section>();
  for (const section of sections) {
    const twin = section.name === undefined ? undefined : seen.get(section.name);
    if (twin === undefined) seen.set(section.name ?? '', section);
    else
      findings.note(
        section.at,
        `uci refuses a file in which ${twin.title} has the name of ${section.title}; here each is read`,
      );
  }
}

/** Names what mwan3 does not read, such as a misspelled option: it did nothing, and does nothing here. */
export function noteUnknown(sections: readonly Section[], findings: Findings): void {
  for (const section of sections) {
    const known = KNOWN.get(section.type);
    if (known === undefined) {
      findings.note(section.at, `mwan3 reads no sections of the kind ${section.type}; left out`);
      continue;
    }
    for (const key of section.keys) {
      if (!known.includes(key))
        findings.note(
          section.lineOf(key),
          `mwan3 reads no option ${key} in sections of the kind ${section.type}; left out`,
        );
    }
  }
}
