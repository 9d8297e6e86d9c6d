import type { Item, Keys } from '../draft.js';
import { CannotSay, type Findings } from '../findings.js';
import type { PoolMember } from '../pool.js';
import { readMatch } from './match.js';
import type { ConfigNode } from './node.js';
import { readNumber } from './number.js';
import { type Balance, readPolicies } from './policies.js';

const KNOWN = [
  'description',
  'destination',
  'exclude',
  'failover',
  'inbound-interface',
  'interface',
  'limit',
  'per-packet-balancing',
  'protocol',
  'source',
];

/** What the rules of `load-balancing wan` become. */
export interface Rules {
  readonly policies: readonly Item[];
  readonly rules: readonly Item[];
}

/** @param root the whole configuration, for its groups */
export function readRules(
  root: ConfigNode,
  wan: ConfigNode,
  wans: readonly string[],
  findings: Findings,
): Rules {
  const balances = (wan.at('rule')?.numbered ?? []).flatMap(
    ([number, rule]) => findings.attempt(() => readBalance(root, number, rule, findings)) ?? [],
  );
  const { items, targets } = readPolicies(balances, wans, findings);
  const forwarded = balances.map(
    ({ match, lines }, i): Item => ({ keys: { ...match, policy: targets[i]! }, from: lines }),
  );
  const isAll = balances.some(({ match }) => Object.keys(match).length === 0);
  return {
    policies: items,
    rules: [
      ...ownRules(wan, balances, targets),
      ...forwarded,
      ...(isAll
        ? []
        : [{ keys: { policy: 'direct' }, from: [], remark: 'what no rule is for goes by the main table' }]),
    ],
  };
}

function readBalance(
  root: ConfigNode,
  number: string,
  rule: ConfigNode,
  findings: Findings,
): Balance | undefined {
  const title = `rule ${number}`;
  const stray = rule.keys.find((key) => !KNOWN.includes(key));
  if (stray !== undefined)
    throw new CannotSay(
      rule.lineOf(stray),
      `"${stray}" is not a word that is known here; ${title} is left out`,
    );
  const match = readMatch(root, rule, title, findings);
  if (rule.has('limit'))
    findings.lost(rule.lineOf('limit'), `${title} is for all connections here, since a policy has no limit`);
  if (rule.has('per-packet-balancing')) {
    findings.lost(
      rule.lineOf('per-packet-balancing'),
      `${title} balances connections here; packets are for tunnels alone, see --per packet`,
    );
  }
  const interfaces = rule.at('interface')?.entries ?? [];
  const isExclude = rule.has('exclude');
  if (!isExclude && interfaces.length === 0) {
    findings.note(rule.lines[0]!, `${title} has no interface, so VyOS does nothing by it; left out`);
    return undefined;
  }
  const members = interfaces.map(([name, node]): PoolMember => {
    const weight = readNumber(node, ['weight'], 1, findings);
    return { wan: name, family: 4, metric: 1, weight };
  });
  return {
    title,
    name: `rule-${number}`,
    match: { ...readDevice(rule), ...match },
    members: isExclude ? undefined : rule.has('failover') ? inOrder(members) : members,
    lines: rule.lines,
  };
}

/** With `failover` one alone is used: that of the highest weight, and of equal ones the first (wlb_weight_interfaces). */
function inOrder(members: readonly PoolMember[]): readonly PoolMember[] {
  const order = members.toSorted((a, b) => b.weight - a.weight);
  return members.map((member) => ({ ...member, metric: order.indexOf(member) }));
}

/** `any` and `eth*` are words of newer versions. */
function readDevice(rule: ConfigNode): Keys {
  const given = rule.value('inbound-interface');
  return given === undefined || given === 'any' ? {} : { in: given.replace(/\*$/, '+') };
}

/**
 * The router's own connections come in by no device. With `enable-local-traffic` each rule holds for them without its
 * device.
 */
function ownRules(wan: ConfigNode, balances: readonly Balance[], targets: readonly string[]): Item[] {
  const switchedOn = wan.at('enable-local-traffic');
  if (switchedOn === undefined) return [];
  const rules: Item[] = [];
  const seen = new Set<string>();
  for (const [i, { match, lines }] of balances.entries()) {
    const { in: _, mac, ...rest } = match;
    const key = JSON.stringify(rest);
    if (seen.has(key) || mac !== undefined) continue;
    seen.add(key);
    rules.push({
      keys: { own: true, ...rest, policy: targets[i]! },
      from: i === 0 ? switchedOn.lines : lines.slice(0, 1),
    });
    if (key === '{}') break;
  }
  return rules;
}
