import { FAMILIES, type Family } from '../../core/family.js';
import type { Item } from '../draft.js';
import type { Findings } from '../findings.js';
import type { Section } from '../uci/section.js';
import { MATCH_OPTIONS, type Match, readMatch } from './matches.js';
import type { Network } from './network.js';
import { readLimited } from './numbers.js';
import { isTooLong, type Policies, RESERVED } from './policies.js';
import { Sets } from './sets.js';
import type { Uplinks } from './uplinks.js';

/** How long a sticky rule remembers a client, in seconds, unless it says so. */
const STICKY_SECONDS = 600;
/** A policy of ours remembers for a month at most. */
const TIMEOUT = { least: 1, most: 30 * 86_400 };

/** What the rules of mwan3 become. */
export interface Rules {
  readonly rules: readonly Item[];
  readonly sets: readonly Item[];
}

/** Reads the rules in their order; what none of them is for goes by the main table, as with mwan3. */
export function readRules(
  sections: readonly Section[],
  policies: Policies,
  network: Network | undefined,
  { usable }: Uplinks,
  findings: Findings,
): Rules {
  const sets = new Sets();
  const rules: Item[] = [];
  const refusing: Refusing[] = [];
  /** The families of which a rule has taken everything. */
  const done = new Set<Family>();
  const inUse = new Set([...usable.values()].map(({ family }) => family));
  for (const section of sections.filter(({ type }) => type === 'rule')) {
    if (isSkipped(section, policies, findings)) continue;
    const match = findings.attempt(() => readMatch(section, { network, sets, findings }));
    if (match === undefined) continue;
    if (match.families.length === 0) {
      findings.note(
        section.at,
        `${section.title} never holds: its addresses are not of its family; left out`,
      );
      continue;
    }
    if (match.families.every((family) => done.has(family))) {
      findings.note(
        section.at,
        `mwan3 never comes to ${section.title}: a rule before it takes everything; left out`,
      );
      continue;
    }
    if (refuses(section, policies)) refusing.push({ section, families: match.families });
    rules.push(readRule(section, match, policies, findings));
    if (Object.keys(match.keys).every((key) => key === 'family'))
      for (const family of match.families) done.add(family);
  }
  noteRefusals(refusing, inUse, findings);
  const rest = FAMILIES.filter((family) => !done.has(family) && inUse.has(family));
  if (rest.length > 0) rules.push(direct(rest, inUse));
  return { rules, sets: sets.items };
}

/** A rule that mwan3 does not have in force, for a reason of its own. */
function isSkipped(section: Section, policies: Policies, findings: Findings): boolean {
  const name = section.get('use_policy');
  const skipped = (why: string) => {
    findings.note(section.lineOf('use_policy'), `mwan3 skips ${section.title}: ${why}; left out`);
    return true;
  };
  if (isTooLong(section.name ?? '')) return skipped('its name has more than 15 letters');
  if (!section.isOn('enabled', true)) {
    findings.note(
      section.lineOf('enabled'),
      `${section.title} is not enabled (mwan3 itself would not look); left out`,
    );
    return true;
  }
  if (name === undefined) return skipped('it has no use_policy');
  if (policies.get(name) === undefined && !RESERVED.has(name)) {
    const why = isTooLong(name) ? `the name ${name} has more than 15 letters` : `there is no policy ${name}`;
    return skipped(`${why}, and the next rule is asked`);
  }
  return false;
}

function readRule(section: Section, { keys }: Match, policies: Policies, findings: Findings): Item {
  return {
    keys: { ...keys, policy: policyOf(section, policies, findings) },
    from: section.lines(...MATCH_OPTIONS, 'sticky', 'timeout', 'use_policy', 'logging'),
  };
}

/** The word of mwan3's own beats a policy of that name, which nobody who makes one means. */
function policyOf(section: Section, policies: Policies, findings: Findings): string {
  const name = section.get('use_policy')!;
  const policy = policies.get(name);
  if (policy === undefined) return RESERVED.get(name)!;
  if (RESERVED.has(name)) {
    findings.note(
      section.lineOf('use_policy'),
      `"${name}" is a word of mwan3's own, so mwan3 never uses the policy of that name; here it is used`,
    );
  }
  if (!section.isOn('sticky', false)) return policy.target;
  const seconds = readLimited(section, 'timeout', STICKY_SECONDS, TIMEOUT, findings);
  return policy.stickyFor(seconds, section.lines('sticky', 'timeout'));
}

/** A rule that refuses what no interface can carry. */
interface Refusing {
  readonly section: Section;
  readonly families: readonly Family[];
}

function refuses(section: Section, policies: Policies): boolean {
  const name = section.get('use_policy')!;
  const policy = policies.get(name);
  return policy === undefined ? name === 'unreachable' || name === 'blackhole' : policy.refuses;
}

/** Without any WAN of IPv6 we leave IPv6 alone, where mwan3 refuses it, unless a rule names it. */
function noteRefusals(refusing: readonly Refusing[], inUse: ReadonlySet<Family>, findings: Findings): void {
  const named = new Set(refusing.flatMap(({ families }) => (families.length === 1 ? families : [])));
  for (const { section, families } of refusing) {
    const left = families.find((family) => !inUse.has(family) && !named.has(family));
    if (left === undefined) continue;
    findings.note(
      section.lineOf('use_policy'),
      `mwan3 refuses IPv${left} by this rule, since no interface is of IPv${left}; here it goes by the main table, unless a ` +
        `rule refuses it, such as { family: ${left}, policy: unreachable }`,
    );
  }
}

function direct(rest: readonly Family[], inUse: ReadonlySet<Family>): Item {
  const all = rest.length === inUse.size;
  return {
    keys: { ...(all ? {} : { family: rest[0]! }), policy: 'direct' },
    from: [],
    remark: 'what no rule of mwan3 is for goes by the main table',
  };
}
