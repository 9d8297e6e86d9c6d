import { DEFAULT_POLICY, DIRECT } from '../config/policy.js';
import type { PolicyRule } from '../config/rule.js';
import { blocksOf } from '../core/mark-blocks.js';
import type { Clause } from './clause.js';
import { forNamed, moreSpecific, namedNetworks } from './named-networks.js';
import type { Action, Chain, MarkBits, Match, Rule } from './plan.js';
import { choiceChain, policyChoice } from './policies.js';
import { decided, hasMark, leave, RETURN } from './rule.js';
import { conditionsOf, fitsBeside } from './rule-match.js';
import { askedBits, choosesAlone, numberedPolicies, type Scene } from './scene.js';
import { commonOf, type Ruled, segments } from './segments.js';

/** Whether rules lead some traffic by policies. */
export function steers({ config, isOurs }: Scene): boolean {
  return config.policies.rules.length > 0 && isOurs;
}

/** Whether a rule leads some of the router's own connections. */
export function steersOwn(scene: Scene): boolean {
  return steers(scene) && scene.config.policies.rules.some(({ match }) => conditionsOf(match, scene, true));
}

/**
 * The rules that lead traffic to policies, in mangle:
 *
 *     WANMARK_NEW     -> WANMARK_POLICY   new connections of others: the first rule that matches holds
 *     WANMARK_OUTNEW  -> WANMARK_OWN      the same for the router's own
 *                        WANMARK_POLICY<n>      a run of rules with a common condition, likewise WANMARK_OWN<n>
 *                        WANMARK_LED            leads what such a run marked, likewise WANMARK_OWNLED
 *                        WANMARK_RULE<n>        the rest of a rule that has several lists
 *                        WANMARK_TO_<policy>    its mark; then the daemon is asked
 *                        WANMARK_BY_<policy>    the kernel's own choice
 *                        WANMARK_ASK            asks the daemon, or chooses for what no rule is for
 *
 * Of the router's own connections only those without a policy are asked about: a packet that was queued in OUTPUT is
 * routed again only where a daemon answered, so while it is away they would leave their policy for the main table.
 *
 * Two chains, because OUTPUT has no device and no MAC address to ask for, and no other place has a user.
 */
export function steeringChains(scene: Scene, ask: readonly Rule[]): Chain[] {
  if (!steers(scene)) return [];
  const { own } = scene.config.rules;
  const byKernel = choosesAlone(scene);
  const rules = { others: compile(scene, false), own: compile(scene, true) };
  const chosen = (name: string) => rules.own.names.has(name) || (byKernel && rules.others.names.has(name));
  const policies = numberedPolicies(scene);
  const all = [rules.others, rules.own, compileNamed(scene, false), compileNamed(scene, true)];
  const further = new Map(all.flatMap((one) => one.further).map((one) => [one.name, one]));
  const led = (chain: string): Rule => ({ when: [decided(scene.mask)], action: { kind: 'goto', chain } });
  const asking = [
    ...segments('WANMARK_POLICY', rules.others.ruled, led('WANMARK_LED'), [go('WANMARK_ASK')]),
    ...(own || steersOwn(scene)
      ? segments('WANMARK_OWN', rules.own.ruled, led('WANMARK_OWNLED'), own ? [go('WANMARK_ASK')] : [])
      : []),
  ];
  return [
    ...asking,
    ...further.values(),
    ...markingChains(scene, asking),
    ...policies
      .filter(({ policy }) => rules.others.names.has(policy.name))
      .map(({ policy, bits }) => ({
        name: toChain(policy.name),
        rules: [set(bits), go(byKernel ? choiceChain(policy) : 'WANMARK_ASK')],
      })),
    ...policies
      .filter(({ policy }) => chosen(policy.name))
      .map(({ policy, bits }) => ({
        name: choiceChain(policy),
        // Its own packets come here without a mark.
        rules: [
          ...(rules.own.names.has(policy.name) ? [set(bits)] : []),
          ...policyChoice(scene, policy, bits.value),
        ],
      })),
    ...(further.size === 0 ? [] : [{ name: 'WANMARK_TOANY', rules: [unmark(scene), go('WANMARK_ASK')] }]),
    { name: 'WANMARK_ASK', rules: ask },
  ];
}

/** The chains that only runs of rules need (segments.ts). */
function markingChains(scene: Scene, asking: readonly Chain[]): Chain[] {
  const { policies } = scene.config;
  const entered = new Set(
    asking.flatMap((chain) =>
      chain.rules.flatMap(({ action }) => (action !== undefined && 'chain' in action ? action.chain : [])),
    ),
  );
  const byPolicy = [...new Map(policies.rules.map((rule) => [rule.policy, rule])).values()].filter(
    (rule) => rule.policy !== DEFAULT_POLICY && entered.has(markChain(scene, rule)),
  );
  const led = (own: boolean): Rule[] =>
    byPolicy.map((rule) => ({
      when: [hasMark(noteOf(scene, rule).value, scene.mask)],
      action: afterwards(rule, targetOf(rule, own)),
    }));
  const chains: Chain[] = [
    ...byPolicy.map((rule) => ({ name: markChain(scene, rule), rules: [set(noteOf(scene, rule))] })),
    // The daemon finds the policy in the mark, whichever it is.
    {
      name: 'WANMARK_LED',
      rules: choosesAlone(scene)
        ? led(false)
        : [...led(false).filter((_, i) => byPolicy[i]!.policy === DIRECT), go('WANMARK_ASK')],
    },
    { name: 'WANMARK_OWNLED', rules: led(true) },
  ];
  return chains.filter(({ name }) => entered.has(name));
}

/** Named by the number that it gives. */
function markChain(scene: Scene, rule: PolicyRule): string {
  return `WANMARK_MARK${scene.config.fields.wans.decode(noteOf(scene, rule).value)}`;
}

interface Compiled {
  readonly ruled: readonly Ruled[];
  /** The further chains that the rules need. */
  readonly further: readonly Chain[];
  /** The policies that they lead to. */
  readonly names: ReadonlySet<string>;
}

/** @param rules those of the configuration in their places; undefined where one is left out @param prefix of chains */
function compile(
  scene: Scene,
  own: boolean,
  rules: readonly (PolicyRule | undefined)[] = scene.config.policies.rules,
  prefix = 'WANMARK_RULE',
): Compiled {
  const found = rules.flatMap((rule, i) => {
    const compiled =
      rule && compileRule(scene, own, rule, { comment: `rule ${i + 1}`, chain: `${prefix}${i + 1}` });
    return compiled === undefined ? [] : [{ ...compiled, policy: rule!.policy }];
  });
  return {
    ruled: found,
    further: found.flatMap(({ further }) => further),
    names: new Set(found.map(({ policy }) => policy)),
  };
}

function compileRule(
  scene: Scene,
  own: boolean,
  rule: PolicyRule,
  { comment, chain }: { readonly comment: string; readonly chain: string },
): (Ruled & Pick<Compiled, 'further'>) | undefined {
  const conditions = conditionsOf(rule.match, scene, own);
  if (conditions === undefined) return undefined;
  const { all, clauses } = conditions;
  const target = targetOf(rule, own);
  const common = commonOf(conditions);
  // By its mark, what goes by `default` could not be told from what goes by `direct`.
  const marking = <T>(make: (goal: Action) => T, goal: Action) =>
    rule.policy === DEFAULT_POLICY ? undefined : make(goal);
  const isMarked: Action = { kind: 'goto', chain: markChain(scene, rule) };
  const [clause, ...more] = clauses;
  if (more.length === 0 && !clause?.not && (clause === undefined || fitsBeside(all, clause))) {
    const lead = (action: Action): Rule[] =>
      (clause?.any ?? [[]]).map((when) => ({ when: [...all, ...when], action, comment }));
    return { rules: lead(target), marking: marking(lead, isMarked), common, further: [] };
  }
  const bits = noteOf(scene, rule);
  const lead = (action: Action): Rule[] => [
    { when: all, action: { kind: 'jump', chain } },
    { when: [hasMark(bits.value, bits.mask)], action, comment },
  ];
  return {
    rules: lead(afterwards(rule, target)),
    marking: marking(lead, RETURN),
    common,
    further: stages(chain, clauses, bits),
  };
}

/** Rules for networks that main knows, before all that main knows is left alone (named-networks.ts). */
export function namedSteering(scene: Scene, own: boolean): Rule[] {
  const named = steers(scene) ? namedNetworks(scene) : [];
  if (named.length === 0) return [];
  return [
    leave({ kind: 'destination-in', set: 'excluded' }),
    ...moreSpecific(scene, named).map((match) => leave(match)),
    ...compileNamed(scene, own).ruled.flatMap(({ rules }) => rules),
  ];
}

function compileNamed(scene: Scene, own: boolean): Compiled {
  const rules = scene.config.policies.rules.map((rule) => forNamed(rule, scene));
  return compile(scene, own, rules, 'WANMARK_NAMED');
}

function targetOf({ policy }: PolicyRule, own: boolean): Action {
  if (policy === DIRECT) return RETURN;
  if (policy === DEFAULT_POLICY) return { kind: 'goto', chain: 'WANMARK_ASK' };
  return { kind: 'goto', chain: own ? choiceChain({ name: policy }) : toChain(policy) };
}

function toChain(policy: string): string {
  return `WANMARK_TO_${policy}`;
}

/** The mark by which a rule's further chains say that it matches. */
function noteOf(scene: Scene, { policy }: PolicyRule): MarkBits {
  return numberedPolicies(scene).find((one) => one.policy.name === policy)?.bits ?? askedBits(scene);
}

/** What becomes of a packet with that mark; where it is not one of a policy, it is taken away again. */
function afterwards({ policy }: PolicyRule, target: Action): Action {
  if (policy === DIRECT) return { kind: 'goto', chain: 'WANMARK_CLEAR' };
  return policy === DEFAULT_POLICY ? { kind: 'goto', chain: 'WANMARK_TOANY' } : target;
}

/**
 * The chains of a rule with several lists, one for each: whatever matches goes on to the next, and in the end gets a mark.
 * All products of the lists would be more rules than anybody can read, and would cost more.
 */
function stages(name: string, clauses: readonly Clause[], bits: MarkBits): Chain[] {
  const not = clauses.filter((clause) => clause.not);
  const any = clauses.filter((clause) => !clause.not);
  const leaves = not.flatMap((clause) => clause.any.map((when) => leave(...when)));
  const lists: readonly (readonly (readonly Match[])[])[] =
    any.length === 0 ? [[[]]] : any.map((clause) => clause.any);
  const nameOf = (i: number) => (i === 0 ? name : `${name}LIST${i + 1}`);
  return lists.map((list, i) => ({
    name: nameOf(i),
    rules: [
      ...(i === 0 ? leaves : []),
      ...list.map((when): Rule => {
        const isLast = i === lists.length - 1;
        return { when, action: isLast ? { kind: 'set-mark', bits } : { kind: 'goto', chain: nameOf(i + 1) } };
      }),
    ],
  }));
}

function go(chain: string): Rule {
  return { when: [], action: { kind: 'goto', chain } };
}

function set(bits: MarkBits): Rule {
  return { when: [], action: { kind: 'set-mark', bits } };
}

function unmark({ mask }: Scene): Rule {
  return set({ value: 0, mask });
}

/**
 * What becomes of a packet that enters with the mark of a policy, which only a rule of ours gives and nothing keeps. Each
 * answer of the daemon meets these rules, so there are as few as can be.
 */
export function strayRules(scene: Scene): Rule[] {
  if (!steers(scene)) return [];
  return ofAnyPolicy(scene).map((match) => ({ when: [match], action: unmark(scene).action! }));
}

/** Matches the marks of all policies and no others. */
function ofAnyPolicy({ config }: Scene): Match[] {
  const numbers = config.policies.used.flatMap(({ number }) => number ?? []);
  return blocksOf(numbers, config.fields.wans).map(({ mark, mask }) => hasMark(mark, mask));
}

/** Saves a packet's mark in its connection where it is not that of a policy. */
export function keepingChain(scene: Scene): Chain {
  return {
    name: 'WANMARK_KEEP',
    rules: [
      ...ofAnyPolicy(scene).map((match) => leave(match)),
      { when: [], action: { kind: 'save', mask: scene.mask } },
    ],
  };
}
