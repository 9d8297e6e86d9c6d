import type { PlanConfig } from '../../../config/config.js';
import type { Policy } from '../../../config/policy.js';
import { ruleText } from '../../../config/rule.js';
import type { Family } from '../../../core/family.js';
import { hex } from '../../../core/mark.js';
import { carries } from '../../../core/wan.js';
import { gatewayVariable, type ScriptWan, type Symbols } from './symbols.js';
import { VariableNames } from './words.js';

/** Why a printed script cannot carry out the policies of a configuration; undefined where it can. */
export function policiesRefusal({
  policies,
  rules: { firewall },
}: Pick<PlanConfig, 'policies' | 'rules'>): string | undefined {
  const sticky = policies.used.find((policy) => policy.sticky !== undefined);
  if (sticky !== undefined)
    return `policy ${sticky.name}: a printed script cannot be sticky; leave sticky out, or run wanmark up`;
  for (const [i, rule] of policies.rules.entries()) {
    const { match } = rule;
    const where = `rule ${i + 1} (${ruleText(rule)})`;
    if (match.time !== undefined && match.time.zone !== 'utc')
      return `${where}: a printed script knows no time zone but utc; give the hours in utc, or run wanmark up`;
    for (const name of match.set?.any ?? []) {
      const { source } = policies.sets.find((set) => set.name === name)!;
      if (source.kind === 'file')
        return `${where}: a printed script does not read the file of set ${name}; give the networks as net=, or run wanmark up`;
      if (source.kind === 'external' && match.family === undefined && firewall !== 'nft')
        return `${where}: a printed script cannot ask of which family set ${name} is; add family=4 or family=6 to the rule`;
    }
  }
  return undefined;
}

/** A policy in a script, in one family. */
export interface ScriptPolicy {
  /** The mark of its packets. */
  readonly mark: string;
  /** The variable with its members, and with those of the policies that follow it: `TIER MARK WEIGHT GATEWAY TABLE`. */
  readonly members: string;
  /** The variable with the rules of its own choice. */
  readonly choice: string;
  /** The value of `members`. */
  readonly lines: readonly string[];
  /** Where its connections go when none of them can be used. */
  readonly end: { readonly mark: string; readonly words: string };
}

/** The policies that rules lead to and that have a member in a family, by name. */
export function scriptPolicies(
  { fields, policies, rules }: PlanConfig,
  { wans }: Pick<Symbols, 'wans'>,
  family: Family,
): ReadonlyMap<string, ScriptPolicy> {
  const names = new VariableNames();
  const numberOf = (name: string) => policies.used.find((one) => one.name === name)?.number;
  const carrying = wans.filter(({ wan }) => carries(wan, family));
  const line = ({ wan, stem }: ScriptWan, tier: number, weight: number | string) =>
    `${tier} ${hex(fields.wans.encode(wan.mark))} ${weight} \${${gatewayVariable(stem, family)}:-none} ${rules.table + wan.mark}`;

  /** The members in the order in which they are tried; those of the next policy come after all of this one. */
  const follow = (policy: Policy, above: number): Pick<ScriptPolicy, 'lines'> & { end: string } => {
    const found = carrying
      .flatMap((one) => {
        const member = policy.members.find(({ wan }) => wan === one.wan.name);
        return member === undefined ? [] : [{ one, tier: above + member.tier, weight: member.weight }];
      })
      .toSorted((a, b) => a.tier - b.tier || a.one.wan.mark - b.one.wan.mark);
    const lines = found.map(({ one, tier, weight }) => line(one, tier, weight));
    const { none } = policy;
    if (typeof none === 'string') return { lines, end: none };
    const highest = Math.max(above, ...found.map(({ tier }) => tier));
    const next = policies.used.find(({ name }) => name === none.policy);
    const rest = next === undefined ? all(highest) : follow(next, highest);
    return { lines: [...lines, ...rest.lines], end: rest.end };
  };
  const all = (above: number) => ({
    lines: carrying
      .toSorted((a, b) => a.wan.tier - b.wan.tier || a.wan.mark - b.wan.mark)
      .map((one) => line(one, above + one.wan.tier, `$${one.stem}_weight`)),
    end: rules.lastResort,
  });

  return new Map(
    policies.used.flatMap((policy): [string, ScriptPolicy][] => {
      const { lines, end } = follow(policy, 0);
      if (policy.number === undefined || lines.length === 0) return [];
      const refusal = end === 'main' ? undefined : numberOf(end);
      const variable = names.of(policy.name);
      return [
        [
          policy.name,
          {
            mark: hex(fields.wans.encode(policy.number)),
            members: `members_${variable}_${family}`,
            choice: `by_${variable}_${family}`,
            lines,
            end: {
              mark: refusal === undefined ? '0x0' : hex(fields.wans.encode(refusal)),
              words: end === 'main' ? '' : end,
            },
          },
        ],
      ];
    }),
  );
}
