import type { PlanConfig } from '../../../config/config.js';
import type { Family } from '../../../core/family.js';
import { hex } from '../../../core/mark.js';
import type { Choice, MarkBits, Match, Plan, Rule } from '../../plan.js';
import { actionLines } from '../nft/actions.js';
import { asksNamed, ip, matchWords } from '../nft/matches.js';
import { setName, TABLE } from '../nft/names.js';
import { type NftTable, nftTable, type Place, written } from '../nft/nft.js';
import type { ScriptFamily } from './family.js';
import { shellFunction } from './words.js';

/** Our nft table in a script: a text with variables, and the lines that find their values. */
export class NftScriptTable {
  readonly #families: ReadonlyMap<Family, ScriptFamily>;
  /** The variables of choices of each family, each with the command that writes the rules. */
  readonly #choices = new Map<Family, Map<string, string>>();
  /** The table as nft lists it, except for the variables. */
  readonly #lines: readonly string[];

  constructor(config: PlanConfig, plan: Plan, families: readonly ScriptFamily[]) {
    this.#families = new Map(families.map((own) => [own.family, own]));
    const table = nftTable(plan, {
      rule: (rule, place) => this.#rule(rule, place),
      set: (family, set) => setName(family, set.replaceAll('$', '')),
      marks: chosenMarks(config, families),
    });
    this.#lines = table === undefined ? [] : this.#text(table);
  }

  /** Lines that put what the machine has, and the choices made from it, into the variables of a family. */
  finders(family: Family): string[] {
    const own = this.#families.get(family)!;
    const choices = this.#choices.get(family) ?? new Map<string, string>();
    return [
      ...own.finders(this.#lines.join('\n')),
      ...[...choices].map(([variable, command]) => `${variable}=$(${command})`),
    ];
  }

  /** Whether a rule asks for IPsec, which some kernels cannot. */
  get asksForIpsec(): boolean {
    return this.#lines.some((line) => line.includes(' ipsec exists '));
  }

  /** Whether a rule asks a daemon. */
  get asksDaemon(): boolean {
    return this.#lines.some((line) => line.includes('counter queue num '));
  }

  /** The shell function that prints the table. */
  function(): string {
    const body = ['cat <<-WANMARK', ...this.#lines.map((line) => `\t${line}`), 'WANMARK'];
    return `# Our table, as nft lists it.\n${shellFunction('print_table', body)}`;
  }

  #text({ counters, sets, chains, bases }: NftTable): string[] {
    return [
      `table ${TABLE} {`,
      ...counters.map((name) => `\tcounter ${name} { }`),
      ...sets.flatMap(({ plan, family, name, head, isFilled }) => [
        `\tset ${name} {`,
        `\t\t${head}`,
        ...(isFilled ? [] : [`\t\t$(elements "$${this.#families.get(family)!.variableOf(plan)}")`]),
        '\t}',
      ]),
      ...[...chains, ...bases.map(({ name, head, rules }) => ({ name, rules: [head, ...rules] }))].flatMap(
        ({ name, rules }) => [`\tchain ${name} {`, ...rules.map((rule) => `\t\t${rule}`), '\t}'],
      ),
      '}',
    ];
  }

  /** A rule, or what the shell makes of it. */
  #rule({ when, action, comment }: Rule, { family, stage, chain, sets }: Place): string[] {
    const own = this.#families.get(family)!;
    if (action?.kind === 'choose') return [this.#choose(own, chain, action.choice)];
    // What a policy chose is saved by the rules that its choice is printed with.
    if (action?.kind === 'save' && own.policyOf(chain) !== undefined) return [];
    let lines: string[][] = [[]];
    const asked: { readonly by: string; readonly set: string }[] = [];
    for (const match of when) {
      const symbol = symbolOf(match, family);
      if (symbol !== undefined) asked.push({ by: symbol.by, set: (match as { set: string }).set });
      const words = symbol?.words ?? wordsOf(match, family, sets);
      lines = lines.flatMap((line) => words.map((word) => [...line, word]));
    }
    const actions = action === undefined ? [[]] : actionLines(action, family, stage).map((words) => [words]);
    const all = lines.flatMap((line) => actions.map((words) => written(line, words, family, comment)));
    const [one] = asked;
    if (one === undefined) return all;
    return all.map((line) => `$(${one.by} "$${own.variableOf(one.set)}" "${line.replaceAll('"', '\\"')}")`);
  }

  #choose(own: ScriptFamily, chain: string, choice: Choice): string {
    const { variable, policy, words } = own.choiceIn(chain, choice);
    const command = [policy === undefined ? 'choose' : 'choose_by', hex(choice.mask), ...words].join(' ');
    const choices = this.#choices.get(own.family) ?? new Map<string, string>();
    this.#choices.set(own.family, choices.set(variable, command));
    return `$${variable}`;
  }
}

/** A match with a set without a name: the function of the script that writes it, and its words with the place of the elements. */
function symbolOf(
  match: Match,
  family: Family,
): { readonly by: string; readonly words: string[] } | undefined {
  if (!('set' in match) || asksNamed(match)) return undefined;
  switch (match.kind) {
    case 'mark-in':
      return { by: 'each_mark', words: ['<>'] };
    case 'in-in':
      return { by: 'any_of', words: ['iifname <>'] };
    case 'out-in':
      return { by: 'any_of', words: ['oifname <>'] };
    case 'mac-in':
      return { by: 'any_of', words: ['ether saddr <>'] };
    default:
      throw new Error(`no words for ${match.kind} in IPv${family}`);
  }
}

function wordsOf(match: Match, family: Family, sets: Place['sets']): string[] {
  if (!('set' in match)) return matchWords(match, family, sets);
  const side = match.kind === 'source-in' ? 'saddr' : 'daddr';
  const reply = match.kind === 'translated-in' ? 'ct reply ' : '';
  const name = setName(family, match.set.replaceAll('$', ''));
  return [`${reply}${ip(family)} ${side} ${match.not ? '!= ' : ''}@${name}`];
}

/** The marks that a choice of the script may give, whatever works at the moment. */
function chosenMarks(
  { fields, services, wans, rules }: PlanConfig,
  families: readonly ScriptFamily[],
): MarkBits[] {
  const ends = families.flatMap(({ policies }) => [...policies.values()].map(({ end }) => Number(end.mark)));
  const { mask } = fields.wans;
  return [
    ...wans.map(({ mark }) => ({ value: fields.wans.encode(mark), mask })),
    ...ends.map((value) => ({ value, mask })),
    ...(rules.lastResort === 'main' || wans.length === 0 ? [] : [{ value: mask, mask }]),
    ...services.flatMap(({ backends }) =>
      backends.map(({ mark }) => ({ value: fields.backends.encode(mark), mask: fields.backends.mask })),
    ),
  ];
}
