import type { PlanConfig } from '../../../config/config.js';
import type { Family } from '../../../core/family.js';
import { hex } from '../../../core/mark.js';
import { carries } from '../../../core/wan.js';
import {
  type Chain,
  type Choice,
  type FamilyPlan,
  type Rule,
  type SetSource,
  STAGES,
  type Stage,
} from '../../plan.js';
import { choiceChain } from '../../policies.js';
import { actionWords, hookLine, matchWords, memberWords } from '../iptables.js';
import { type ScriptPolicy, scriptPolicies } from './policies.js';
import { gatewayVariable, type Symbols, serverStem } from './symbols.js';
import { shellFunction, VariableNames } from './words.js';

/** The tables of one family in a script: a text with variables, and the lines that find their values. */
export class ScriptTables {
  readonly #config: PlanConfig;
  readonly #symbols: Symbols;
  readonly #plan: FamilyPlan;
  readonly #family: Family;
  readonly #variables: ReadonlyMap<string, string>;
  /** The variables of choices, each with the command that writes the rules. */
  readonly #choices = new Map<string, string>();
  /** The policies that a choice is made for, by name. */
  readonly policies: ReadonlyMap<string, ScriptPolicy>;
  /** Our part of the tables as iptables-save prints it, except for the variables. */
  readonly #lines: readonly string[];

  constructor(config: PlanConfig, symbols: Symbols, plan: FamilyPlan, family: Family) {
    this.#config = config;
    this.#symbols = symbols;
    this.#plan = plan;
    this.#family = family;
    const names = new VariableNames();
    this.#variables = new Map(
      [...plan.sets.keys()].map((set) => [set, `${names.of(set.replaceAll('$', ''))}_${family}`]),
    );
    this.policies = scriptPolicies(config, symbols, family);
    this.#lines = STAGES.filter((stage) => plan.stages[stage].chains.length > 0).flatMap((stage) =>
      this.#stage(stage),
    );
  }

  /** Lines that put the machine's values, and the choices made from them, into the variables of the tables. */
  finders(): string[] {
    const text = this.#lines.join('\n');
    const sets = [...this.#plan.sets]
      .map(([name, { source }]) => ({ variable: this.#variables.get(name)!, source }))
      .filter(({ variable }) => text.includes(`"$${variable}"`));
    return [
      ...sets.map(({ variable, source }) => `${variable}=$(${this.#finder(source)})`),
      ...[...this.policies.values()].map(({ members, lines }) => `${members}="${lines.join('\n')}"`),
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
    return `# Our part of iptables' tables, as iptables-save prints it.\n${shellFunction(`print_tables${this.#family}`, body)}`;
  }

  /** The command that prints the elements of a set. */
  #finder(source: SetSource): string {
    const family = this.#family;
    switch (source.from) {
      case 'main-networks': {
        const always = source.also.filter((network) => !this.#config.rules.exclude.includes(network));
        return ['networks', family, ...always, '"$exclude"'].join(' ');
      }
      case 'named':
        return `of_family ${family} '${this.#plan.sets.get(source.set)?.elements.join(' ') ?? ''}'`;
      case 'clients':
        return ':';
      case 'excluded':
        return `of_family ${family} "$exclude"`;
      case 'other-than-default':
        return ['not_default', family, ...source.devices.map((device) => `"${device}"`)].join(' ');
      case 'carriers':
        return ['carriers', ...source.devices.map((device) => `"${device}"`)].join(' ');
      case 'neighbour':
        return [`mac ${family} "${source.device}" "${source.address}"`, ...this.#macsBefore(source)].join(
          ' ',
        );
      case 'device':
        return `addresses_of ${family} "${source.device}"`;
      case 'route-to':
        return `network_to ${family} "${source.address}"`;
      case 'exempt-marks':
        return `exempt_marks ${family} ${hex(source.mask)}`;
      case 'far-ends':
        return ['far_ends', family, ...source.devices.map((device) => `"${device}"`)].join(' ');
      case 'led-marks':
        return `led_marks ${family} ${hex(source.mask)}`;
    }
  }

  /** The variables of MAC addresses on the same device that are found before this one. */
  #macsBefore(source: SetSource & { from: 'neighbour' }): string[] {
    const all = [...this.#plan.sets].filter(
      ([, set]) => set.source.from === 'neighbour' && set.source.device === source.device,
    );
    const own = all.findIndex(([, set]) => set.source === source);
    return all.slice(0, own).map(([name]) => `"$${this.#variables.get(name)}"`);
  }

  #stage(stage: Stage): string[] {
    const { chains, hooks } = this.#plan.stages[stage];
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
      this.#policyOf(name) !== undefined && rules.some(({ action }) => action?.kind === 'choose');
    return isChosen ? rules.filter(({ action }) => action?.kind !== 'save') : rules;
  }

  #policyOf(chain: string): ScriptPolicy | undefined {
    const prefix = choiceChain({ name: '' });
    return chain.startsWith(prefix) ? this.policies.get(chain.slice(prefix.length)) : undefined;
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
    return asked === undefined ? line : `$(each "$${this.#variables.get(asked.set)}" "${line}")`;
  }

  #choose(chain: string, choice: Choice): string {
    const policy = this.#policyOf(chain);
    if (policy !== undefined) {
      const { mark, members, end } = policy;
      const words = ['choose_by', chain, hex(choice.mask), mark, end.mark, `"$${members}"`];
      this.#choices.set(policy.choice, words.join(' '));
      return `$${policy.choice}`;
    }
    const pool = /^WANMARK_POOL(\d+)$/.exec(chain)?.[1];
    const variable = pool === undefined ? `kernel_${this.#family}` : `pool${pool}_${this.#family}`;
    const members = pool === undefined ? this.#wanMembers() : this.#poolMembers(Number(pool) - 1);
    const refused = pool === undefined && this.#config.rules.lastResort !== 'main' ? hex(choice.mask) : "''";
    this.#choices.set(variable, `choose ${chain} ${hex(choice.mask)} 0x0 ${refused} ${members.join(' ')}`);
    return `$${variable}`;
  }

  /** The WANs as `choose` takes them, in the order of their tiers. */
  #wanMembers(): string[] {
    return this.#symbols.wans
      .filter(({ wan }) => carries(wan, this.#family))
      .toSorted((a, b) => a.wan.tier - b.wan.tier || a.wan.mark - b.wan.mark)
      .map(({ wan, stem }) => {
        const mark = hex(this.#config.fields.wans.encode(wan.mark));
        return `"${wan.tier} ${mark} $${stem}_weight \${${gatewayVariable(stem, this.#family)}:-none}"`;
      });
  }

  /** The backends as `choose` takes them, in the order of their tiers. */
  #poolMembers(index: number): string[] {
    const { service, stem } = this.#symbols.services[index]!;
    return service.backends
      .map(({ mark, tier }, i) => ({ mark, tier, weight: `$${serverStem(stem, i)}_weight` }))
      .toSorted((a, b) => a.tier - b.tier)
      .map(({ mark, tier, weight }) => {
        const value = hex(this.#config.fields.backends.encode(mark));
        return `"${tier} ${value} ${weight}"`;
      });
  }
}
