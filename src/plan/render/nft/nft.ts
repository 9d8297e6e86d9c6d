import { FAMILIES, type Family } from '../../../core/family.js';
import type { FamilyPlan, Hook, Plan, Rule, SetPlan, Stage } from '../../plan.js';
import { actionLines } from './actions.js';
import { markChains } from './marks.js';
import { asksNamed, matchWords } from './matches.js';
import { baseName, chainName, counterName, setName, TABLE } from './names.js';

/**
 * A plan for nft, with a line for each part of our table:
 *
 *     table inet wanmark
 *     counter NAME
 *     set NAME TYPE; FLAGS;
 *     element SET ELEMENT
 *     chain NAME [TYPE AND HOOK]
 *     rule CHAIN WORDS
 *
 * Empty where the plan has no rules. The executor reports what the kernel has in the same form.
 *
 * Both families are in one table, with chains of their own. The base chains are the same for any plan: taking one away
 * drops every packet that waits in any queue (__nf_unregister_net_hook -> nf_queue_nf_hook_drop).
 */
export function nftLines(plan: Plan): string[] {
  const { families } = plan;
  if (FAMILIES.every((family) => isEmpty(families[family]))) return [];
  const marks = markChains(plan);
  const own = FAMILIES.flatMap((family) => familyChains(families[family], family));
  const chains = [...marks, ...own, ...entrances(plan)];
  return [
    `table ${TABLE}`,
    ...FAMILIES.flatMap((family) => counters(families[family], family)).map((name) => `counter ${name}`),
    ...FAMILIES.flatMap((family) => setLines(families[family], family)),
    ...chains.map(({ name }) => `chain ${name}`),
    ...BASES.map(({ stage, base, head }) => `chain ${baseName(stage, base)} ${head} policy accept;`),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `rule ${name} ${rule}`)),
    ...BASES.map(({ stage, base }) => `rule ${baseName(stage, base)} ${byFamily(stage, base)}`),
  ];
}

/** The stages that it has: what is accepted here is not accepted by anybody else's table, so the filter stage is refused. */
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

interface Lines {
  readonly name: string;
  readonly rules: readonly string[];
}

function familyChains({ stages, sets }: FamilyPlan, family: Family): Lines[] {
  return STAGES.flatMap((stage) =>
    stages[stage].chains.map(({ name, rules }) => ({
      name: chainName(family, stage, name),
      rules: rules.flatMap((rule) => ruleLines(rule, { family, stage, sets })),
    })),
  );
}

interface Place {
  readonly family: Family;
  readonly stage: Stage;
  readonly sets: ReadonlyMap<string, SetPlan>;
}

/** A rule is several lines where a match of it has alternatives, and none where nothing can match. */
function ruleLines({ when, action, comment }: Rule, { family, stage, sets }: Place): string[] {
  let lines: string[][] = [[]];
  for (const match of when) {
    const words = matchWords(match, family, sets);
    lines = lines.flatMap((line) => words.map((word) => [...line, word]));
  }
  const [counted, noted] =
    comment === undefined ? [[], []] : [[counting(family, comment)], [`comment "${comment}"`]];
  const actions = action === undefined ? [[]] : actionLines(action, family, stage).map((words) => [words]);
  return lines.flatMap((line) => actions.map((words) => [...line, ...counted, ...words, ...noted].join(' ')));
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
function entrances({ families }: Plan): Lines[] {
  return FAMILIES.flatMap((family) =>
    BASES.map(({ stage, base }) => {
      const { stages, sets } = families[family];
      const hooks = stages[stage].hooks.filter((hook) => hook.base === base);
      const rules = hooks.flatMap(({ chain, when = [] }) =>
        ruleLines({ when, action: { kind: 'jump', chain } }, { family, stage, sets }),
      );
      return { name: chainName(family, stage, base), rules };
    }),
  );
}

/** The sets with names that rules ask or fill, and their elements. */
function setLines({ stages, sets }: FamilyPlan, family: Family): string[] {
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
    .flatMap(([name, { source, elements }]) => {
      const own = setName(family, name);
      return source.from === 'clients'
        ? [`set ${own} type ipv${family}_addr; size 65536; flags dynamic,timeout;`]
        : [
            `set ${own} type ipv${family}_addr; flags interval;`,
            ...[...new Set(elements)].map((element) => `element ${own} ${element}`),
          ];
    });
}
