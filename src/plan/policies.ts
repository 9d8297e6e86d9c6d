import type { LastResort } from '../config/last-resort.js';
import { DEFAULT_POLICY, type Policy, type PolicyMember } from '../config/policy.js';
import { type Option, sharesOf, weightOf, working } from './candidates.js';
import type { IpRule, Rule, Share } from './plan.js';
import { numberedPolicies, type Scene, wanBits } from './scene.js';
import type { PlanStates } from './states.js';
import { keeping } from './stickiness.js';
import type { Uplink } from './uplink.js';

/** Where the connections of a policy go at the moment: by some WANs, or where its end leads. */
export type Course = Shares | { readonly end: LastResort };

/** The WANs of a policy with their shares, and the kernel's choice among them. */
export interface Shares {
  readonly shares: readonly Share[];
  /** @param undecided what stands in the field of a packet that has no WAN yet */
  readonly rules: (undecided: number) => readonly Rule[];
}

/** The current weight of a WAN in a policy, whose weights are its own; a WAN that `wanmark set` drains is drained there, too. */
function weightIn({ wan, weight }: PolicyMember, states: Pick<PlanStates, 'weights'>): number {
  return states.weights.get(wan) === 0 ? 0 : weight;
}

/** The members of a policy with their current weights. @param policy undefined: the policy `default` */
export function currentMembers({ config, states }: Scene, policy?: Policy): PolicyMember[] {
  if (policy !== undefined) return policy.members.map((one) => ({ ...one, weight: weightIn(one, states) }));
  return config.wans.map((wan) => ({ wan: wan.name, tier: wan.tier, weight: weightOf(wan, states) }));
}

/** Those of the members that can be used, in the order of the WANs' numbers. */
export function optionsOf(scene: Scene, members: readonly PolicyMember[]): Option[] {
  return scene.uplinks
    .filter(({ unusable }) => unusable === undefined)
    .toSorted((a, b) => a.wan.mark - b.wan.mark)
    .flatMap(({ wan, id }) => {
      const member = members.find((one) => one.wan === wan.name);
      if (member === undefined) return [];
      const { weight, tier } = member;
      return [{ id, name: wan.name, weight, tier, value: wanBits(scene, wan.mark).value }];
    });
}

/** The states for options whose weights are those of now. */
export function unweighted({ states }: Pick<Scene, 'states'>): PlanStates {
  return { ...states, weights: new Map() };
}

/** The kernel's choice of the policy `default`. */
export function defaultCourse(scene: Scene): Shares | undefined {
  return sharesIn(scene);
}

function sharesIn(scene: Scene, policy?: Policy): Shares | undefined {
  const options = optionsOf(scene, currentMembers(scene, policy));
  const states = unweighted(scene);
  const shares = sharesOf(options, states);
  if (shares.length === 0) return undefined;
  const { mask, config } = scene;
  const rules = (undecided: number): Rule[] => {
    const { kernelMode: mode, kernelHash: hash } = config.rules;
    const choice = {
      mask,
      mode,
      shares,
      ...(hash && { hash }),
      ...(undecided !== 0 && { undecided }),
      ...(config.rules.engine === 'ahead' && { ahead: policy?.name ?? DEFAULT_POLICY }),
    };
    const rule = { when: [], action: { kind: 'choose', choice } as const };
    return keeping(scene, policy?.name ?? DEFAULT_POLICY, working(options, states), { rule, undecided });
  };
  return { shares, rules };
}

/** The course of a policy, by its own members or those of the policies that follow when none of these is up. */
export function courseOf(scene: Scene, policy: Policy): Course {
  const own = sharesIn(scene, policy);
  if (own !== undefined) return own;
  const { none } = policy;
  if (typeof none === 'string') return { end: none };
  const next = scene.config.policies.used.find(({ name }) => name === none.policy);
  if (next !== undefined) return courseOf(scene, next);
  // What no rule is for is left alone there.
  if (scene.uplinks.length === 0) return { end: 'main' };
  return defaultCourse(scene) ?? { end: scene.config.rules.lastResort };
}

/** The chain of the kernel's own choice for a policy. */
export function choiceChain({ name }: Pick<Policy, 'name'>): string {
  return `WANMARK_BY_${name}`;
}

/**
 * The kernel's own choice for packets that have the mark of a policy. What is refused gets the mark of the refusal: the
 * ip rule of the policy itself cannot follow as fast as this chain. The chain is never empty, so that it can be changed
 * without a look at what the kernel prints.
 */
export function policyChoice(scene: Scene, policy: Policy, undecided: number): Rule[] {
  const { mask } = scene;
  const course = courseOf(scene, policy);
  if ('shares' in course) {
    return [...course.rules(undecided), { when: [], action: { kind: 'save', mask } }];
  }
  if (course.end === 'main') return [{ when: [], action: { kind: 'set-mark', bits: { value: 0, mask } } }];
  const refusal = numberedPolicies(scene).find(({ policy: { name } }) => name === course.end)!;
  return [{ when: [], action: { kind: 'set-mark', bits: refusal.bits } }];
}

/**
 * The way of a packet that still has the mark of its policy, as when somebody took away what the kernel chooses by. It
 * does not leave the policy: it goes by the WAN with most weight, or where the policy ends.
 */
export function policyRules(scene: Scene): IpRule[] {
  const priority = scene.config.rules.priority + 1;
  return numberedPolicies(scene).flatMap(({ policy, bits }): IpRule[] => {
    const from = { kind: 'mark', bits } as const;
    const course = courseOf(scene, policy);
    if ('shares' in course) {
      const best = course.shares.reduce((a, b) => (b.weight > a.weight ? b : a));
      const table = scene.config.rules.table + scene.config.fields.wans.decode(best.value);
      return [{ priority, from, to: { table } }];
    }
    return course.end === 'main' ? [] : [{ priority, from, to: { refuse: course.end } }];
  });
}

/** The WANs of policies that never lead to the main table, by name. */
export function strictWans({
  config,
  uplinks,
}: Pick<Scene, 'config'> & { readonly uplinks: readonly Pick<Uplink, 'wan'>[] }): ReadonlySet<string> {
  const { policies, rules } = config;
  const found = policies.used.flatMap((policy) => {
    const names = new Set<string>();
    for (let one = policy; ; ) {
      for (const { wan } of one.members) names.add(wan);
      const { none } = one;
      if (typeof none === 'string') return none === 'main' ? [] : [...names];
      const next = policies.used.find(({ name }) => name === none.policy);
      if (next === undefined) return rules.lastResort === 'main' ? [] : uplinks.map(({ wan }) => wan.name);
      one = next;
    }
  });
  return new Set(found);
}
