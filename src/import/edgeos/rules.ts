import type { Item, Keys } from '../draft.js';
import { CannotSay, type Findings } from '../findings.js';
import type { SourceLine } from '../source.js';
import { oneOrMore } from '../values.js';
import { readMatch } from '../vyos/match.js';
import type { ConfigNode } from '../vyos/node.js';

const KNOWN = [
  'action',
  'description',
  'destination',
  'disable',
  'log',
  'modify',
  'protocol',
  'source',
  'state',
];

/** A device with a ruleset of the kind `modify` on what comes in by it. */
interface Application {
  readonly ruleset: string;
  readonly dev: string;
  readonly line: SourceLine;
}

/** Reads the rules of `firewall modify` that are applied to what comes in by a device, in their order. */
export function readRules(root: ConfigNode, groups: ReadonlyMap<string, string>, findings: Findings): Item[] {
  const applied = applications(root.at('interfaces'), [], []);
  return (root.at('firewall', 'modify')?.entries ?? []).flatMap(([name, ruleset]) => {
    const those = applied.filter(({ ruleset: one }) => one === name);
    const rules = (ruleset.at('rule')?.numbered ?? []).filter(([, rule]) => !rule.has('disable'));
    if (those.length === 0) {
      if (rules.some(([, rule]) => rule.has('modify', 'lb-group')))
        findings.note(
          ruleset.lines[0]!,
          `firewall modify ${name} is applied to no device, so it does nothing; left out`,
        );
      return [];
    }
    const input = { in: oneOrMore(those.map(({ dev }) => dev)) };
    const lines = those.map(({ line }) => line);
    return rules.flatMap(([number, rule]): Item[] => {
      const title = `rule ${number} of ${name}`;
      const keys = findings.attempt(() => readRule(root, title, rule, groups, findings));
      return keys === undefined ? [] : [{ keys: { ...input, ...keys }, from: [...rule.lines, ...lines] }];
    });
  });
}

function readRule(
  root: ConfigNode,
  title: string,
  rule: ConfigNode,
  groups: ReadonlyMap<string, string>,
  findings: Findings,
): Keys | undefined {
  const stray = rule.keys.find((key) => !KNOWN.includes(key));
  if (stray !== undefined)
    throw new CannotSay(rule.lineOf(stray), `"${stray}" cannot be said; ${title} is left out`);
  const match = readMatch(root, rule, title, findings);
  const policy = policyOf(title, rule, groups, findings);
  return policy === undefined ? undefined : { ...match, policy };
}

/** What is not given to a group goes by the main table. */
function policyOf(
  title: string,
  rule: ConfigNode,
  groups: ReadonlyMap<string, string>,
  findings: Findings,
): string | undefined {
  const group = rule.value('modify', 'lb-group');
  const table = rule.value('modify', 'table');
  const action = rule.value('action');
  if (group !== undefined) {
    const policy = groups.get(group);
    if (policy === undefined)
      findings.note(rule.lineOf('modify'), `there is no group ${group}, so ${title} does nothing; left out`);
    return policy;
  }
  if (table === 'main' || action === 'accept' || action === 'return') return 'direct';
  if (action === 'drop') return 'blackhole';
  const what = rule.at('modify')?.keys.join(', ') ?? action ?? 'nothing';
  throw new CannotSay(rule.lineOf('modify'), `modify ${what} cannot be said; ${title} is left out`);
}

/** Looks below `interfaces` for `firewall in modify NAME`; a VLAN is `eth1.10`, below `vif 10`. */
function applications(
  node: ConfigNode | undefined,
  path: readonly string[],
  found: Application[],
): readonly Application[] {
  for (const [word, child] of node?.entries ?? []) {
    const ruleset = word === 'firewall' ? child.value('in', 'modify') : undefined;
    if (ruleset !== undefined)
      found.push({ ruleset, dev: deviceOf(path), line: child.lineOf('in', 'modify') });
    else applications(child, [...path, word], found);
  }
  return found;
}

/** @param path such as `ethernet eth1`, `switch switch0 vif 20` or `ethernet eth0 pppoe 0` */
function deviceOf([, device = '', kind, number]: readonly string[]): string {
  if (kind === 'vif') return `${device}.${number}`;
  return kind === 'pppoe' ? `pppoe${number}` : device;
}
