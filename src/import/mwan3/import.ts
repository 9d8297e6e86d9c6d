import { UsageError } from '../../errors.js';
import type { Item, Keys, Value } from '../draft.js';
import { Findings } from '../findings.js';
import type { Imported } from '../imported.js';
import type { Section } from '../uci/section.js';
import { checksOf } from './checks.js';
import { readGeneral } from './general.js';
import { Network } from './network.js';
import { Policies } from './policies.js';
import { readRules } from './rules.js';
import { noteSharedNames, noteUnknown } from './unknown.js';
import { readUplinks, type Uplinks, wanOf } from './uplinks.js';

/** Sections without which mwan3 does nothing. */
const OWN_TYPES = ['member', 'policy', 'rule'];

/**
 * Our configuration for one of mwan3 (2.12; options of versions before, and of RutOS, where files still have them).
 * @param all the sections of the file, which may be what `uci export` prints of several packages
 * @param network those of /etc/config/network, if they are not among the others
 * @throws UsageError where there is nothing of mwan3
 */
export function importMwan3(file: string, all: readonly Section[], network?: readonly Section[]): Imported {
  const sections = all.filter((section) => section.package === undefined || section.package === 'mwan3');
  if (!sections.some(({ type }) => OWN_TYPES.includes(type))) {
    throw new UsageError(
      `${file} has no rule, policy or member of mwan3; give /etc/config/mwan3, or what uci export prints`,
    );
  }
  const beside = network ?? all.filter((section) => section.package === 'network');
  const findings = new Findings();
  const devices = beside.length === 0 ? undefined : new Network(beside);
  const uplinks = readUplinks(sections, devices, findings);
  if (uplinks.usable.size === 0)
    throw new UsageError(
      `${file} has no interface that is enabled and known; add "option enabled '1'" to one`,
    );
  const policies = new Policies(sections, uplinks, findings);
  const options = readGeneral(sections, uplinks, findings);
  const { rules, sets } = readRules(sections, policies, devices, uplinks, findings);
  const conditions = sections.filter(({ type }) => type === 'condition');
  const checked = [...uplinks.usable.values()].map(
    (uplink) => [uplink, checksOf(uplink, conditions, findings)] as const,
  );
  noteUnknown(sections, findings);
  noteSharedNames(sections, findings);
  noteUnused(uplinks, policies, rules, findings);
  return {
    findings,
    draft: {
      options,
      wan: checked.map(([uplink, checks]) => wanOf(uplink, checks)),
      check: checked.flatMap(([, checks]) => checks),
      set: sets,
      policy: policies.items,
      rule: rules,
    },
  };
}

/** An interface that nothing is sent by is often one that somebody forgot, or misspelled in a member. */
function noteUnused(
  { usable }: Uplinks,
  policies: Policies,
  rules: readonly Item[],
  findings: Findings,
): void {
  const targets = rules.map(({ keys }) => keys.policy);
  const used = policies.items
    .filter(({ keys }) => targets.includes(keys.name!))
    .flatMap(({ keys }) => keys.use as readonly Value[])
    .map((member) => (typeof member === 'string' ? member : (member as Keys).wan));
  for (const { name, section } of usable.values()) {
    if (!used.includes(name)) findings.note(section.at, `no rule sends anything by ${section.title}`);
  }
}
