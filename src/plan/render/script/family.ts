import type { PlanConfig } from '../../../config/config.js';
import type { Family } from '../../../core/family.js';
import { hex } from '../../../core/mark.js';
import { carries } from '../../../core/wan.js';
import type { Choice, FamilyPlan, SetPlan, SetSource } from '../../plan.js';
import { choiceChain } from '../../policies.js';
import { type ScriptPolicy, scriptPolicies } from './policies.js';
import { gatewayVariable, type Symbols, serverStem } from './symbols.js';
import { VariableNames } from './words.js';

/** A choice that the script makes by itself. */
export interface ScriptChoice {
  /** The variable with its rules. */
  readonly variable: string;
  /** The policy whose choice it is. */
  readonly policy?: ScriptPolicy;
  /** The words of `choose` after the chain and the mask: what is undecided, the last resort, and the members. */
  readonly words: readonly string[];
}

/** One family of a script: the variables that its rules use, and how they are found, in whatever dialect. */
export class ScriptFamily {
  readonly #config: PlanConfig;
  readonly #symbols: Symbols;
  readonly plan: FamilyPlan;
  readonly family: Family;
  readonly #variables: ReadonlyMap<string, string>;
  /** The policies that a choice is made for, by name. */
  readonly policies: ReadonlyMap<string, ScriptPolicy>;

  constructor(config: PlanConfig, symbols: Symbols, plan: FamilyPlan, family: Family) {
    this.#config = config;
    this.#symbols = symbols;
    this.plan = plan;
    this.family = family;
    const names = new VariableNames();
    this.#variables = new Map(
      [...plan.sets.keys()].map((set) => [set, `${names.of(set.replaceAll('$', ''))}_${family}`]),
    );
    this.policies = scriptPolicies(config, symbols, family);
  }

  /** The variable with the elements of a set. */
  variableOf(set: string): string {
    return this.#variables.get(set)!;
  }

  /** Lines that find the elements of the sets that a text asks, and the members of policies. */
  finders(text: string): string[] {
    const sets = [...this.plan.sets]
      .map(([name, set]) => ({ variable: this.variableOf(name), set }))
      .filter(({ variable }) => text.includes(`"$${variable}"`));
    return [
      ...sets.map(({ variable, set }) => `${variable}=$(${this.#finder(set)})`),
      ...[...this.policies.values()].map(({ members, lines }) => `${members}="${lines.join('\n')}"`),
    ];
  }

  /** The policy whose choice a chain makes. */
  policyOf(chain: string): ScriptPolicy | undefined {
    const prefix = choiceChain({ name: '' });
    return chain.startsWith(prefix) ? this.policies.get(chain.slice(prefix.length)) : undefined;
  }

  /** The choice that stands in a chain. */
  choiceIn(chain: string, choice: Choice): ScriptChoice {
    const policy = this.policyOf(chain);
    if (policy !== undefined) {
      const { mark, members, end } = policy;
      return { variable: policy.choice, policy, words: [mark, end.mark, `"$${members}"`] };
    }
    const pool = /^WANMARK_POOL(\d+)$/.exec(chain)?.[1];
    const members = pool === undefined ? this.#wanMembers() : this.#poolMembers(Number(pool) - 1);
    const refused = pool === undefined && this.#config.rules.lastResort !== 'main' ? hex(choice.mask) : "''";
    const variable = pool === undefined ? `kernel_${this.family}` : `pool${pool}_${this.family}`;
    return { variable, words: ['0x0', refused, ...members] };
  }

  /** The command that prints the elements of a set. */
  #finder({ source, elements }: SetPlan): string {
    const { family } = this;
    switch (source.from) {
      case 'main-networks': {
        const always = source.also.filter((network) => !this.#config.rules.exclude.includes(network));
        return ['networks', family, ...always, '"$exclude"'].join(' ');
      }
      case 'named':
        return `of_family ${family} '${elements.join(' ')}'`;
      case 'clients':
      case 'others':
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
    const all = [...this.plan.sets].filter(
      ([, set]) => set.source.from === 'neighbour' && set.source.device === source.device,
    );
    const own = all.findIndex(([, set]) => set.source === source);
    return all.slice(0, own).map(([name]) => `"$${this.variableOf(name)}"`);
  }

  /** The WANs as `choose` takes them, in the order of their tiers. */
  #wanMembers(): string[] {
    return this.#symbols.wans
      .filter(({ wan }) => carries(wan, this.family))
      .toSorted((a, b) => a.wan.tier - b.wan.tier || a.wan.mark - b.wan.mark)
      .map(({ wan, stem }) => {
        const mark = hex(this.#config.fields.wans.encode(wan.mark));
        return `"${wan.tier} ${mark} $${stem}_weight \${${gatewayVariable(stem, this.family)}:-none}"`;
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
