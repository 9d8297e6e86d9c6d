import { FAMILIES } from '../../../core/family.js';
import { type Chain, type FamilyPlan, NOTHING, type Plan, type Rule } from '../../plan.js';
import { decided } from '../../rule.js';
import { bitsWords } from './matches.js';

/** A plan for nft, and the words of the rule that accepts for it. */
export interface Accepting {
  readonly plan: Plan;
  /** A rule for the forward chains of others; undefined where the plan accepts nothing. */
  readonly words?: string;
}

/**
 * What one table accepts, the next one may still drop. So our table gives what is to be accepted its connection's field of the
 * mark, which nothing in FORWARD has otherwise, and a rule that asks for it stands in the chains of others. It asks for no
 * more, since iptables, which some of these chains are of, knows that and not nft's `ct`.
 */
export function accepting(plan: Plan): Accepting {
  const masks = FAMILIES.flatMap((family) => maskOf(plan.families[family]) ?? []);
  const [mask] = masks;
  if (mask === undefined) return { plan };
  const families = { 4: marked(plan.families[4]), 6: marked(plan.families[6]) };
  return {
    plan: { ...plan, families },
    words: `${bitsWords('meta mark', { value: 0, mask }, true)} accept`,
  };
}

/** The field by whose connections the filter stage goes. */
function maskOf({ stages }: FamilyPlan): number | undefined {
  const asked = stages.filter.chains.flatMap(({ rules }) => rules.flatMap(({ when }) => when));
  return asked.flatMap((match) => (match.kind === 'connmark' ? [match.bits.mask] : []))[0];
}

function marked(family: FamilyPlan): FamilyPlan {
  const mask = maskOf(family);
  if (mask === undefined) return family;
  const { filter, mangle } = family.stages;
  const clear: Rule = { when: [decided(mask)], action: { kind: 'set-mark', bits: { value: 0, mask } } };
  const chains = filter.chains.map(({ name, rules }): Chain => {
    const marking = rules.map(
      (rule): Rule =>
        rule.action?.kind === 'accept' ? { ...rule, action: { kind: 'restore', mask } } : rule,
    );
    return { name, rules: [clear, ...marking] };
  });
  const stage = { chains: [...mangle.chains, ...chains], hooks: [...mangle.hooks, ...filter.hooks] };
  return { ...family, stages: { ...family.stages, mangle: stage, filter: NOTHING } };
}
