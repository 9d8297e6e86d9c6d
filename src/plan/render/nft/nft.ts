import { FAMILIES, type Family } from '../../../core/family.js';
import type { FamilyPlan, Hook, MarkBits, Plan, Rule, SetPlan, SetSource, Stage } from '../../plan.js';
import { accepting } from './accepting.js';
import { actionLines } from './actions.js';
import { aheadChains, aheadCounters } from './ahead.js';
import { markChains, type NftChain } from './marks.js';
import { asksNamed, matchWords } from './matches.js';
import { baseName, chainName, counterName, setName, TABLE } from './names.js';

/** A plan's table in the words of nft, part by part. */
export interface NftTable {
  /** The names of its counters. */
  readonly counters: readonly string[];
  readonly sets: readonly NftSet[];
  readonly chains: readonly NftChain[];
  /** The base chains; `head` is type, hook and priority. */
  readonly bases: readonly (NftChain & { readonly head: string })[];
}

/** A set that has a name. */
export interface NftSet {
  /** The name in the plan, and its family. */
  readonly plan: string;
  readonly family: Family;
  readonly name: string;
  /** Type and flags, each with a semicolon. */
  readonly head: string;
  readonly elements: readonly string[];
  /** Whether packets or other programs fill it. */
  readonly isFilled: boolean;
}

/** What may be written in another way than for a machine that is known. */
export interface NftWriting {
  /** The words of a rule of the plan, a line for each rule of nft. */
  readonly rule: (rule: Rule, place: Place) => string[];
  /** The name of a set. */
  readonly set: (family: Family, set: string) => string;
  /** Values for which there are chains that write them into packets, though no rule of the plan has them. */
  readonly marks: readonly MarkBits[];
}

const AS_IT_IS: NftWriting = { rule: ruleLines, set: setName, marks: [] };

/**
 * A plan for nft, with a line for each part of our table:
 *
 *     table inet wanmark
 *     counter NAME
 *     set NAME TYPE; FLAGS;
 *     element SET ELEMENT
 *     chain NAME [TYPE AND HOOK]
 *     rule CHAIN WORDS
 *     accept WORDS
 *
 * The last one is for the forward chains of others. Empty where the plan has no rules. The executor reports what the kernel has in the same form.
 */
export function nftLines(plan: Plan): string[] {
  const { plan: marked, words } = accepting(plan);
  const table = nftTable(marked);
  if (table === undefined) return [];
  const { counters, sets, chains, bases } = table;
  return [
    `table ${TABLE}`,
    ...counters.map((name) => `counter ${name}`),
    ...sets.flatMap(({ name, head, elements }) => [
      `set ${name} ${head}`,
      ...elements.map((element) => `element ${name} ${element}`),
    ]),
    ...chains.map(({ name }) => `chain ${name}`),
    ...bases.map(({ name, head }) => `chain ${name} ${head}`),
    ...[...chains, ...bases].flatMap(({ name, rules }) => rules.map((rule) => `rule ${name} ${rule}`)),
    ...(words === undefined ? [] : [`accept ${words}`]),
  ];
}

/**
 * The table of a plan; undefined where the plan has no rules.
 *
 * Both families are in one table, with chains of their own. The base chains are the same for any plan: taking one away
 * drops every packet that waits in any queue (__nf_unregister_net_hook -> nf_queue_nf_hook_drop).
 */
export function nftTable(plan: Plan, writing: NftWriting = AS_IT_IS): NftTable | undefined {
  const { families } = plan;
  if (FAMILIES.every((family) => isEmpty(families[family]))) return undefined;
  return {
    counters: [
      ...FAMILIES.flatMap((family) => counters(families[family], family)),
      ...aheadCounters(plan.ahead),
    ],
    sets: FAMILIES.flatMap((family) => setsOf(families[family], family, writing)),
    chains: [
      ...markChains(plan, writing.marks),
      ...aheadChains(plan.ahead),
      ...FAMILIES.flatMap((family) => familyChains(families[family], family, writing)),
      ...entrances(plan, writing),
    ],
    bases: BASES.map(({ stage, base, head }) => ({
      name: baseName(stage, base),
      head: `${head} policy accept;`,
      rules: [byFamily(stage, base)],
    })),
  };
}

/** The stages that it has; the filter stage has become a part of mangle ({@link accepting}). */
const STAGES: readonly Stage[] = ['nat', 'mangle'];

/** What begins the text of a rule that a person's configuration has, whose packets are counted for themselves. */
const OF_CONFIGURATION = /^rule /;

/**
 * Ours come before those of others at the same place, so that nobody's ACCEPT hides us, but behind them where the source
 * is translated, where a user's special rule should win.
 */
const BASES: readonly { readonly stage: Stage; readonly base: Hook['base']; readonly head: string }[] = [
  ...(['PREROUTING', 'INPUT', 'FORWARD', 'POSTROUTING'] as const).map((base) => ({
    stage: 'mangle' as const,
    base,
    head: `type filter hook ${base.toLowerCase()} priority -151;`,
  })),
  // Only this type looks up the route again where the mark has changed (nf_route_table_hook4).
  { stage: 'mangle', base: 'OUTPUT', head: 'type route hook output priority -151;' },
  { stage: 'nat', base: 'PREROUTING', head: 'type nat hook prerouting priority -101;' },
  { stage: 'nat', base: 'OUTPUT', head: 'type nat hook output priority -101;' },
  { stage: 'nat', base: 'POSTROUTING', head: 'type nat hook postrouting priority 101;' },
];

function byFamily(stage: Stage, base: Hook['base']): string {
  return `meta nfproto vmap { ipv4 : jump ${chainName(4, stage, base)}, ipv6 : jump ${chainName(6, stage, base)} }`;
}

function isEmpty({ stages }: FamilyPlan): boolean {
  return STAGES.every((stage) => stages[stage].chains.length === 0);
}

function familyChains({ stages, sets }: FamilyPlan, family: Family, { rule }: NftWriting): NftChain[] {
  return STAGES.flatMap((stage) =>
    stages[stage].chains.map(({ name: chain, rules }) => ({
      name: chainName(family, stage, chain),
      rules: rules.flatMap((one) => rule(one, { family, stage, sets, chain })),
    })),
  );
}

/** Where a rule stands, and the sets that it may ask. */
export interface Place {
  readonly family: Family;
  readonly stage: Stage;
  /** The name of its chain in the plan. */
  readonly chain: string;
  readonly sets: ReadonlyMap<string, SetPlan>;
}

/** A rule is several lines where a match of it has alternatives, and none where nothing can match. */
function ruleLines({ when, action, comment }: Rule, { family, stage, sets }: Place): string[] {
  let lines: string[][] = [[]];
  for (const match of when) {
    const words = matchWords(match, family, sets);
    lines = lines.flatMap((line) => words.map((word) => [...line, word]));
  }
  const actions = action === undefined ? [[]] : actionLines(action, family, stage).map((words) => [words]);
  return lines.flatMap((line) => actions.map((words) => written(line, words, family, comment)));
}

/** A rule of nft: what it matches, its counter, what it does, and its comment. */
export function written(
  when: readonly string[],
  action: readonly string[],
  family: Family,
  comment: string | undefined,
): string {
  const [counted, noted] =
    comment === undefined ? [[], []] : [[counting(family, comment)], [`comment "${comment}"`]];
  return [...when, ...counted, ...action, ...noted].join(' ');
}

/** A WAN's counter has a name and goes on while rules change; that of a rule begins anew with its chain. */
function counting(family: Family, comment: string): string {
  return OF_CONFIGURATION.test(comment) ? 'counter' : `counter name "${counterName(family, comment)}"`;
}

function counters({ stages }: FamilyPlan, family: Family): string[] {
  const comments = STAGES.flatMap((stage) =>
    stages[stage].chains.flatMap(({ rules }) => rules.flatMap(({ comment }) => comment ?? [])),
  );
  return [...new Set(comments)]
    .filter((comment) => !OF_CONFIGURATION.test(comment))
    .map((comment) => counterName(family, comment));
}

/** The chains to which the base chains lead, with the family's jumps to the chains of the plan. */
function entrances({ families }: Plan, { rule }: NftWriting): NftChain[] {
  return FAMILIES.flatMap((family) =>
    BASES.map(({ stage, base }) => {
      const { stages, sets } = families[family];
      const hooks = stages[stage].hooks.filter((hook) => hook.base === base);
      const rules = hooks.flatMap(({ chain, when = [] }) =>
        rule({ when, action: { kind: 'jump', chain } }, { family, stage, sets, chain: base }),
      );
      return { name: chainName(family, stage, base), rules };
    }),
  );
}

/**
 * What is said of sets that we do not fill. The executor knows them by their timeouts: it leaves what is in them. Others may
 * put networks into theirs, and elements with a time.
 */
const FLAGS: Partial<Readonly<Record<SetSource['from'], string>>> = {
  // Twice what the daemon remembers, so that what it forgets before its time is gone before the set is full.
  clients: 'size 131072; flags dynamic,timeout;',
  others: 'flags interval,timeout;',
};

/** The sets with names that rules ask or fill, and their elements. */
function setsOf({ stages, sets }: FamilyPlan, family: Family, { set: named }: NftWriting): NftSet[] {
  const asked = new Set(
    STAGES.flatMap((stage) =>
      stages[stage].chains.flatMap(({ rules }) =>
        rules.flatMap(({ when, action }) => [
          ...when.flatMap((match) => ('set' in match && asksNamed(match) ? [match.set] : [])),
          ...(action !== undefined && 'set' in action ? [action.set] : []),
        ]),
      ),
    ),
  );
  return [...sets]
    .filter(([name]) => asked.has(name))
    .map(([plan, { source, elements }]) => ({
      plan,
      family,
      name: named(family, plan),
      head: `type ipv${family}_addr; ${FLAGS[source.from] ?? 'flags interval;'}`,
      elements: [...new Set(elements)],
      isFilled: FLAGS[source.from] !== undefined,
    }));
}
