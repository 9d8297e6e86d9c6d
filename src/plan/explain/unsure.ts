import type { PlanConfig } from '../../config/config.js';
import { ruleText } from '../../config/rule.js';
import type { Step } from '../evaluate/chains.js';
import type { AskedRule } from '../evaluate/ip-rules.js';
import { holds } from '../evaluate/match.js';
import type { Match } from '../plan.js';

/** What each kind of condition asks for, where the description of a packet may leave it out. */
const MISSING: Partial<Readonly<Record<Match['kind'], string>>> = {
  transport: 'its ports',
  'source-ports': 'its source port',
  'destination-ports': 'its destination port',
  mac: 'its MAC address',
  'mac-in': 'its MAC address',
  dscp: 'its DSCP',
  user: 'the user who sends it',
  'in-ipset': 'whether an ipset has its destination',
  'destination-in': 'whether a set has its destination',
  ipsec: 'whether IPsec takes it',
  words: 'more than is known of it',
};

/** The number of the configuration's rule that a rule of the plan is made of; undefined for any other. */
export function ruleNumber({ rule: { comment } }: Pick<Step, 'rule'>): number | undefined {
  const found = /^rule (\d+)$/.exec(comment ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The number in the name of a further chain of a rule. */
function chainNumber(chain: string): number | undefined {
  const found = /^WANMARK_(?:RULE|NAMED)(\d+)/.exec(chain)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Rules that might take a packet, if more were known of it: a line each. */
export function unsureLines(
  steps: readonly Step[],
  ipRules: readonly AskedRule[],
  { policies }: PlanConfig,
): string[] {
  const lines = steps.flatMap((step) => {
    const { action } = step.rule;
    const asked = step.rule.when.filter((match) => holds(match, step.seen) === 'unknown');
    const missing = [...new Set(asked.map(({ kind }) => MISSING[kind] ?? kind))].join(' and ');
    const number =
      ruleNumber(step) ??
      chainNumber(step.chain) ??
      (action?.kind === 'jump' ? chainNumber(action.chain) : undefined);
    const rule = number === undefined ? undefined : policies.rules[number - 1];
    const which = rule === undefined ? `a rule of ${step.chain}` : `rule ${number} (${ruleText(rule)})`;
    return [`${which} was passed by, but asks for ${missing}`];
  });
  const others = ipRules.map(
    ({ priority, text }) => `ip rule ${priority} '${text}' of somebody else was passed by, but may take it`,
  );
  return [...new Set([...lines, ...others])];
}

/** What a rule of somebody else redirects goes where that rule says, which is not in the plan. */
export function redirectedLines(steps: readonly Step[]): string[] {
  const taken = steps.some(
    ({ rule: { when, action } }) => action?.kind === 'return' && when.some(({ kind }) => kind === 'words'),
  );
  return taken
    ? ['where it goes is said by the rule that redirects it; this is its way without that rule']
    : [];
}
