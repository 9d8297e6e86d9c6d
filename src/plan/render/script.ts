import type { Config } from '../../config/config.js';
import { FAMILIES, type Family } from '../../core/family.js';
import { hex } from '../../core/mark.js';
import { carries } from '../../core/wan.js';
import { buildPlan } from '../build.js';
import type { Choice, FamilyPlan, Plan, Rule, SetPlan, Stage } from '../plan.js';
import { STAGES } from '../plan.js';
import { NO_STATES } from '../states.js';
import { ipRuleLines, PROTOCOL } from './ip.js';
import { actionWords, matchWords, memberWords } from './iptables.js';
import * as shell from './script/functions.js';
import { gatewayVariable, makeSymbols, type ScriptWan, type Symbols, viaVariable } from './script/symbols.js';

/** Which iptables the script calls. */
export type Programs = Readonly<Record<Family, string>>;

/**
 * A shell script that stands alone and does what the plan of a configuration says: the same chains, rules and tables. What
 * only the machine knows, such as gateways, addresses and specific networks, it finds itself, and what a person may want to
 * change are variables at its top.
 */
export function renderScript(config: Config, programs: Programs): string {
  return new Script(config, programs).text();
}

class Script {
  readonly #config: Config;
  readonly #programs: Programs;
  readonly #symbols: Symbols;
  readonly #plan: Plan;
  readonly #families: readonly Family[];

  constructor(config: Config, programs: Programs) {
    this.#config = config;
    this.#programs = programs;
    this.#symbols = makeSymbols(config);
    this.#plan = buildPlan(this.#symbols.config, this.#symbols.facts, NO_STATES);
    this.#families = FAMILIES.filter((family) => this.#plan.families[family].served);
  }

  text(): string {
    const body = [
      ...this.#families.map((family) => this.#tablesFunction(family)),
      ...this.#families.filter((family) => this.#routes(family)).map((family) => this.#rulesFunction(family)),
      this.#up(),
      this.#down(),
      ...(this.#wans.length > 0 ? ['refresh() { up; }'] : []),
    ];
    const find = this.#look();
    const called = [...body, find].join('\n');
    const functions = this.#functions.filter(({ name }) => isCalled(name, called, this.#functions));
    return `${[
      this.#head(),
      this.#settings(),
      this.#title('finding out'),
      ...functions.map(({ text }) => text),
      ...(find === '' ? [] : [find]),
      this.#title('rules'),
      ...body,
      this.#dispatch(),
    ].join('\n\n')}\n`;
  }

  get #wans(): readonly ScriptWan[] {
    return this.#symbols.wans;
  }

  /** Whether there are WANs in a family, and with them routes and ip rules. */
  #routes(family: Family): boolean {
    return this.#plan.families[family].routes.length > 0;
  }

  #head(): string {
    const { wans, services } = this.#config;
    const what = [
      ...(wans.length > 0 ? [`connections over ${list(wans.map(({ name }) => name))}`] : []),
      ...(services.length > 0
        ? [`what comes for ${list(services.map(({ name }) => name))} over its servers`]
        : []),
    ].join(', and ');
    const refresh =
      wans.length > 0
        ? '\n#   sh FILE refresh  the same again, for a hook of a DHCP client or pppd: addresses and gateways may have changed'
        : '';
    const daemon =
      this.#config.engine === 'kernel'
        ? 'The kernel chooses.'
        : 'The kernel chooses, unless a daemon listens on the queue.';
    return `#!/bin/sh
# Balances ${what}: rules, NAT and routes. ${daemon}
# Printed by wanmark; needs iproute2 and iptables, but not wanmark. As root:
#
#   sh FILE [up]     all of it. The router has to forward already: sysctl net.ipv4.ip_forward=1${refresh}
#   sh FILE down     takes it away again
#
# Everything of it can be found: chains called WANMARK, jumps with the comment wanmark, ip rules and routes of protocol
# ${PROTOCOL}. A connection's mark says which ${wans.length > 0 ? 'WAN' : 'server'} it belongs to; bits outside the mask are left as they are.
set -eu
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH`;
  }

  #title(text: string): string {
    return `# --- ${text} ${'-'.repeat(70 - text.length)}`;
  }

  #settings(): string {
    const lines = this.#symbols.variables.map(({ name, value, comment }) => {
      const text = /^[A-Za-z0-9./:_-]+$/.test(value) ? value : `"${value}"`;
      return `${name}=${text}${comment === undefined ? '' : ` # ${comment}`}`;
    });
    const tools = this.#families.map((family) => `${this.#tool(family)}=${this.#programs[family]}`);
    const excluded =
      this.#wans.length > 0 ? [`exclude="${this.#config.exclude.join(' ')}" # networks to leave alone`] : [];
    const state = this.#wans.length > 0 ? ['state=/run/wanmark-script # settings from before'] : [];
    return [this.#title('what to change'), '', ...lines, ...excluded, ...tools, ...state].join('\n');
  }

  #tool(family: Family): string {
    return family === 4 ? 'iptables' : 'ip6tables';
  }

  get #functions(): readonly { readonly name: string; readonly text: string }[] {
    const texts = [
      'say() { printf \'wanmark: %s\\n\' "$*" >&2; }',
      shell.EACH,
      shell.NETWORKS,
      shell.GATEWAY,
      shell.USABLE,
      shell.SHARE,
      shell.NOT_DEFAULT,
      shell.MAC,
      shell.NETWORK_TO,
      shell.chooseFunction(this.#config.kernelMode),
      shell.CLEAR,
      shell.ROUTE,
      shell.ADDRESSES,
      shell.NEAREST_ADDRESS,
      shell.BOUND_RULES,
      shell.RULES_THERE,
      shell.PUT_RULES,
      shell.VALID_MARK,
    ];
    return texts.map((text) => ({ name: /^(\w+)\(\)/m.exec(text)![1]!, text }));
  }

  /** A function that puts what the machine knows into variables. */
  #look(): string {
    const lines = this.#families.flatMap((family) => {
      const { sets } = this.#plan.families[family];
      const wans = this.#wans.filter(({ wan }) => carries(wan, family));
      return [
        ...wans.map(({ stem, device }) => {
          const gateway = gatewayVariable(stem, family);
          return `${gateway}=$(gateway ${family} "${device}" "$${viaVariable(stem, family)}")`;
        }),
        ...wans.map(
          ({ stem, device }) =>
            `${shareVariable(stem, family)}=$(share ${family} "${device}" "$${gatewayVariable(stem, family)}" ` +
            `"$${viaVariable(stem, family)}" "$${stem}_weight")`,
        ),
        ...[...sets].map(([name, set]) => `${setVariable(name, family)}=${this.#finder(set, family)}`),
      ].filter((line) => this.#uses(line, family));
    });
    return lines.length === 0 ? '' : ['look() {', ...lines.map((line) => `\t${line}`), '}'].join('\n');
  }

  /** Whether the rules of a family ask a set. Without WANs nothing asks for specific networks. */
  #uses(line: string, family: Family): boolean {
    const variable = line.split('=', 1)[0]!;
    return !variable.startsWith('specific') || this.#tables(family).includes(`$${variable}`);
  }

  #finder({ source }: SetPlan, family: Family): string {
    switch (source.from) {
      case 'main-networks': {
        const always = source.also.filter((network) => !this.#config.exclude.includes(network)).join(' ');
        const pattern = family === 4 ? '*:*' : '*:*) echo "$_net" ;; *';
        const own = `$(for _net in $exclude; do case $_net in ${pattern}) ;; ${family === 4 ? '*) echo "$_net" ;; ' : ''}esac; done)`;
        return `"${always === '' ? '' : `${always} `}$(networks ${family}) ${own}"`;
      }
      case 'other-than-default':
        return `$(not_default ${family} ${source.devices.map((device) => `"${device}"`).join(' ')})`;
      case 'neighbour':
        return `$(mac ${family} "${source.device}" "${source.address}")`;
      case 'route-to':
        return `$(network_to ${family} "${source.address}")`;
    }
  }

  #tablesFunction(family: Family): string {
    const served = this.#plan.families[family];
    return [
      `# What iptables-restore reads, for IPv${family}.`,
      `tables${family}() {`,
      '\tcat <<-WANMARK',
      ...STAGES.filter((stage) => served.stages[stage].chains.length > 0).flatMap((stage) =>
        this.#stage(served, stage, family).map((line) => `\t\t${line}`),
      ),
      '\tWANMARK',
      '}',
    ].join('\n');
  }

  #tables(family: Family): string {
    const served = this.#plan.families[family];
    return STAGES.flatMap((stage) => this.#stage(served, stage, family)).join('\n');
  }

  #stage(served: FamilyPlan, stage: Stage, family: Family): string[] {
    const { chains, hooks } = served.stages[stage];
    const lasts = stage === 'nat' ? hooks.filter(({ base }) => base === 'POSTROUTING') : [];
    const firsts = hooks.filter((hook) => !lasts.includes(hook));
    return [
      `*${stage}`,
      `$(clear "$${this.#tool(family)}" ${stage})`,
      ...chains.map(({ name }) => `:${name} - [0:0]`),
      ...chains.flatMap(({ name, rules }) => rules.map((rule) => this.#rule(name, rule, family))),
      ...firsts
        .toReversed()
        .map(({ base, chain }) => `-I ${base} 1 -m comment --comment wanmark -j ${chain}`),
      ...lasts.map(({ base, chain }) => `-A ${base} -m comment --comment wanmark -j ${chain}`),
      'COMMIT',
    ];
  }

  #rule(chain: string, { when, action, comment }: Rule, family: Family): string {
    if (action?.kind === 'choose') return this.#choose(chain, action.choice, family);
    const words = when.map((match) => ('set' in match ? memberWords(match, '@') : matchWords(match)));
    const line = [
      '-A',
      chain,
      ...words,
      ...(comment === undefined ? [] : [`-m comment --comment "${comment}"`]),
      ...(action === undefined ? [] : [actionWords(action)]),
    ].join(' ');
    const asked = when.find((match) => 'set' in match);
    return asked === undefined ? line : `$(each "$${setVariable(asked.set, family)}" "${line}")`;
  }

  #choose(chain: string, { mask, shares }: Choice, family: Family): string {
    const wans = chain === 'WANMARK_KERNEL' ? this.#wans.filter(({ wan }) => carries(wan, family)) : [];
    // The plan's shares are those of the lowest tier; the script finds at any time which tier that is.
    const members =
      wans.length > 0
        ? wans.map(({ wan, stem }) => {
            const value = hex(this.#config.field.encode(wan.mark));
            return `"${wan.tier} ${value} $${shareVariable(stem, family)}"`;
          })
        : shares.map(({ name, value }) => `"1 ${hex(value)} ${name.replace(/_to$/, '_weight')}"`);
    const last = this.#config.lastResort === 'main' || wans.length === 0 ? '""' : hex(mask);
    return `$(choose ${chain} ${hex(mask)} ${last} ${members.join(' ')})`;
  }

  #rulesFunction(family: Family): string {
    const { priority, table } = this.#config;
    const wans = this.#wans.filter(({ wan }) => carries(wan, family));
    const sources = wans.map(({ wan, stem, device, shared }) =>
      shared
        ? `nearest_address ${family} "${device}" "$${gatewayVariable(stem, family)}" ${table + wan.mark}`
        : `addresses ${family} "${device}" ${table + wan.mark}`,
    );
    return [
      `# The ip rules: specific routes, then the mark of a WAN, then addresses that a socket is bound to.`,
      `rules${family}() {`,
      ...ipRuleLines(this.#plan.families[family]).map((line) => `\techo "${line}"`),
      '\t{',
      ...sources.map((line) => `\t\t${line}`),
      `\t} | bound_rules ${priority + 2}`,
      '}',
    ].join('\n');
  }

  #up(): string {
    const { table } = this.#config;
    const routed = this.#families.filter((family) => this.#routes(family));
    return [
      '# A mark leads somewhere before anything is marked, and NAT is there before anything is sent elsewhere.',
      'up() {',
      ...(this.#look() === '' ? [] : ['\tlook']),
      ...this.#families.map(
        (family) => `\ttables${family} | "$${this.#tool(family)}-restore" --test --wait=10 --noflush`,
      ),
      `\t"$${this.#tool(this.#families[0]!)}-save" | grep -q '^:WANMARK' || undo=1`,
      ...[...new Set(this.#wans.filter(({ wan }) => carries(wan, 4)).map(({ device }) => device))].map(
        (device) => `\tvalid_mark "${device}"`,
      ),
      ...routed.flatMap((family) => [
        ...this.#wans
          .filter(({ wan }) => carries(wan, family))
          .map(
            ({ wan, stem, device }) =>
              `\troute ${family} ${table + wan.mark} "${device}" "$${gatewayVariable(stem, family)}" "$${viaVariable(stem, family)}"`,
          ),
        `\tput_rules ${family} "$(rules${family})"`,
      ]),
      ...this.#families.map(
        (family) => `\ttables${family} | "$${this.#tool(family)}-restore" --wait=10 --noflush`,
      ),
      '\tundo=',
      '}',
    ].join('\n');
  }

  #down(): string {
    const stages = (family: Family) =>
      STAGES.filter((stage) => this.#plan.families[family].stages[stage].chains.length > 0).toReversed();
    return [
      'down() {',
      '\tundo=',
      ...this.#families.flatMap((family) => {
        const tool = `$${this.#tool(family)}`;
        return [
          `\tfor _table in ${stages(family).join(' ')}; do`,
          `\t\tprintf '*%s\\n%s\\nCOMMIT\\n' "$_table" "$(clear "${tool}" "$_table")"`,
          `\tdone | "${tool}-restore" --wait=10 --noflush`,
        ];
      }),
      ...this.#families
        .filter((family) => this.#routes(family))
        .flatMap((family) => [
          `\tip -${family} rule flush protocol ${PROTOCOL}`,
          `\tip -${family} route flush table all protocol ${PROTOCOL}`,
        ]),
      ...(this.#wans.length > 0 ? ['\tmarks_as_before'] : []),
      '}',
    ].join('\n');
  }

  #dispatch(): string {
    const verbs = this.#wans.length > 0 ? 'up|down|refresh' : 'up|down';
    return `# What was not there before must not be half there afterwards.
undo=
finish() {
	_code=$?
	[ -z "$undo" ] || { say 'failed; taking it away again'; down; }
	exit "$_code"
}
trap finish EXIT

case \${1-up} in
${verbs.split('|').join(' | ')}) "\${1-up}" ;;
*)
	say "usage: $0 ${verbs}"
	exit 2
	;;
esac`;
  }
}

function shareVariable(stem: string, family: Family): string {
  return `${stem}_share${family}`;
}

/** `network of $web_server1` becomes `network_of_web_server14`. */
function setVariable(name: string, family: Family): string {
  return `${name.replaceAll('$', '').replaceAll(/[^A-Za-z0-9]/g, '_')}_${family}`;
}

function list(names: readonly string[]): string {
  const last = names.at(-1)!;
  return names.length === 1 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}

/** Whether a function is called by the script, or by a function that is. */
function isCalled(
  name: string,
  text: string,
  functions: readonly { readonly name: string; readonly text: string }[],
): boolean {
  const calls = (body: string) => new RegExp(`(^|[^\\w$])${name}([ ;)]|$)`, 'm').test(body);
  if (calls(text)) return true;
  const callers = functions.filter((one) => one.name !== name && calls(one.text.replaceAll(/^#.*$/gm, '')));
  return callers.some((one) => isCalled(one.name, text, functions));
}
