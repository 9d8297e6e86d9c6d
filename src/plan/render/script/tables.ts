import { hex } from '../../../core/mark.js';
import { type Chain, type Choice, type Rule, STAGES, type Stage } from '../../plan.js';
import { actionWords, hookLine, matchWords, memberWords } from '../iptables.js';
import type { ScriptFamily } from './family.js';
import { shellFunction } from './words.js';

/** iptables' tables of one family in a script: a text with variables, and the lines that find their values. */
export class ScriptTables {
  readonly #own: ScriptFamily;
  /** The variables of choices, each with the command that writes the rules. */
  readonly #choices = new Map<string, string>();
  /** Our part of the tables as iptables-save prints it, except for the variables. */
  readonly #lines: readonly string[];

  constructor(own: ScriptFamily) {
    this.#own = own;
    const { stages } = own.plan;
    this.#lines = STAGES.filter((stage) => stages[stage].chains.length > 0).flatMap((stage) =>
      this.#stage(stage),
    );
  }

  /** Lines that put the machine's values, and the choices made from them, into the variables of the tables. */
  finders(): string[] {
    return [
      ...this.#own.finders(this.#lines.join('\n')),
      ...[...this.#choices].map(([variable, command]) => `${variable}=$(${command})`),
    ];
  }

  /** Whether a rule asks for IPsec, which some kernels have no match for. */
  get asksForIpsec(): boolean {
    return this.#lines.some((line) => line.includes(' -m policy '));
  }

  /** The shell function that prints the tables. */
  function(): string {
    const body = ['cat <<-WANMARK', ...this.#lines.map((line) => `\t${line}`), 'WANMARK'];
    return `# Our part of iptables' tables, as iptables-save prints it.\n${shellFunction(`print_tables${this.#own.family}`, body)}`;
  }

  #stage(stage: Stage): string[] {
    const { chains, hooks } = this.#own.plan.stages[stage];
    return [
      `*${stage}`,
      ...chains.map(({ name }) => `:${name} - [0:0]`),
      ...chains.flatMap((chain) => this.#withoutSave(chain).map((rule) => this.#rule(chain.name, rule))),
      ...hooks.map(hookLine),
      'COMMIT',
    ];
  }

  /** What a policy chose is saved by the rules that its choice is printed with. */
  #withoutSave({ name, rules }: Chain): readonly Rule[] {
    const isChosen =
      this.#own.policyOf(name) !== undefined && rules.some(({ action }) => action?.kind === 'choose');
    return isChosen ? rules.filter(({ action }) => action?.kind !== 'save') : rules;
  }

  #rule(chain: string, { when, action, comment }: Rule): string {
    if (action?.kind === 'choose') return this.#choose(chain, action.choice);
    const words = when.map((match) => ('set' in match ? memberWords(match, '@') : matchWords(match)));
    const line = [
      `-A ${chain}`,
      ...words,
      ...(comment === undefined ? [] : [`-m comment --comment "${comment}"`]),
      ...(action === undefined ? [] : [actionWords(action)]),
    ].join(' ');
    const asked = when.find((match) => 'set' in match);
    return asked === undefined ? line : `$(each "$${this.#own.variableOf(asked.set)}" "${line}")`;
  }

  #choose(chain: string, choice: Choice): string {
    const { variable, policy, words } = this.#own.choiceIn(chain, choice);
    const command = policy === undefined ? 'choose' : 'choose_by';
    this.#choices.set(variable, [command, chain, hex(choice.mask), ...words].join(' '));
    return `$${variable}`;
  }
}
