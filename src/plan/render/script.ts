import type { PlanConfig } from '../../config/config.js';
import { FAMILIES, type Family } from '../../core/family.js';
import { hex } from '../../core/mark.js';
import { carries, natOf } from '../../core/wan.js';
import { buildPlan } from '../build.js';
import { mayHaveOwnSource } from '../own.js';
import type { FamilyPlan } from '../plan.js';
import { initialStates } from '../states.js';
import { CHANGING } from './script/changing.js';
import { chooseFunction, POLICIES } from './script/choosing.js';
import { FINDING } from './script/finding.js';
import { headText, settingsText, toolOf } from './script/head.js';
import { routingFunctions } from './script/routing.js';
import {
  gatewayVariable,
  makeSymbols,
  type ScriptWan,
  type Symbols,
  serverStem,
  viaVariable,
} from './script/symbols.js';
import { ScriptTables } from './script/tables.js';
import { shellFunction } from './script/words.js';

/** The iptables that the script calls, for each family. */
export type Programs = Readonly<Record<Family, string>>;

/**
 * Renders a shell script that stands alone and does what the plan of a configuration says: the same chains, rules and
 * tables. It finds by itself what only the machine knows, such as gateways, addresses and specific networks. What a
 * person may want to change are variables at its top.
 */
export function renderScript(config: PlanConfig, programs: Programs): string {
  const symbols = makeSymbols(config);
  const plan = buildPlan(symbols.config, symbols.facts, initialStates(config.wans));
  const parts = FAMILIES.filter((family) => plan.families[family].served).map(
    (family) => new Part(config, symbols, plan.families[family], family),
  );
  const devices = new Set(
    symbols.wans.filter(({ wan }) => carries(wan, 4)).map(({ device }) => `"${device}"`),
  );
  const own = [
    ...parts.flatMap((part) => part.functions()),
    shellFunction(
      'look',
      parts.flatMap((part) => part.finders()),
    ),
    `# up: checks everything that can be checked before anything is changed.\n${shellFunction('up', upLines(symbols, parts, [...devices]))}`,
    `refresh() {
	[ -e "$state" ] || { say "is not up; run '$0 up' first"; exit 1; }
	up
}`,
    downFunction(parts),
    finishFunction(parts),
  ];
  const library = [...FINDING, chooseFunction(config.rules.kernelMode), ...POLICIES, ...CHANGING];
  return `${[
    headText(config),
    title('settings'),
    settingsText(
      config,
      symbols.variables,
      parts.map(({ family }) => [toolOf(family), programs[family]]),
    ),
    title('what is wanted'),
    ...own,
    title('how it is found out and done'),
    ...called(library, own.join('\n')),
    title('start'),
    startText(parts),
  ].join('\n\n')}\n`;
}

function title(text: string): string {
  return `# --- ${text} ${'-'.repeat(70 - text.length)}`;
}

/** The part of the script for one family. */
class Part {
  readonly family: Family;
  readonly #config: PlanConfig;
  readonly #wans: readonly ScriptWan[];
  readonly #plan: FamilyPlan;
  readonly #tables: ScriptTables;

  constructor(config: PlanConfig, symbols: Symbols, plan: FamilyPlan, family: Family) {
    this.family = family;
    this.#config = config;
    this.#wans = symbols.wans.filter(({ wan }) => carries(wan, family));
    this.#plan = plan;
    this.#tables = new ScriptTables(config, symbols, plan, family);
  }

  /** The functions that print the wanted state. */
  functions(): string[] {
    const routing =
      this.#wans.length === 0
        ? []
        : routingFunctions(this.#config, this.#wans, this.#plan, this.#tables.policies, this.family);
    return [...routing, this.#tables.function()];
  }

  /** Lines that put the wanted state into variables. */
  finders(): string[] {
    const { family } = this;
    return [
      ...this.#wans.map(
        ({ stem, device }) =>
          `${gatewayVariable(stem, family)}=$(gateway ${family} "${device}" "$${viaVariable(stem, family)}")`,
      ),
      ...(family === 4 && mayHaveOwnSource(this.#config)
        ? [`own_source=$(own_source ${this.#devices()})`]
        : []),
      ...this.#tables.finders(),
      ...(this.#wans.length === 0
        ? [`routes${family}='' rules${family}=''`]
        : [`routes${family}=$(print_routes${family})`, `rules${family}=$(print_rules${family})`]),
      `tables${family}=$(print_tables${family}${this.#tables.asksForIpsec ? ` | as_matched ${this.tool}` : ''})`,
    ];
  }

  /** The router's own IPv6 sockets may have learned exceptions before they had a table of their own. */
  forgetting(): string[] {
    return this.family === 6 && this.#wans.length > 0 ? ['ip -6 route flush cache'] : [];
  }

  #devices(): string {
    return [...new Set(this.#wans.map(({ device }) => `"${device}"`))].join(' ');
  }

  get tool(): string {
    return `"$${toolOf(this.family)}"`;
  }

  /** A call of `put` with the variables of this family. */
  put(prefix = ''): string {
    const what = ['routes', 'rules', 'tables'].map((list) => `"$${prefix}${list}${this.family}"`);
    return `put ${this.family} ${this.tool} ${what.join(' ')}`;
  }
}

function upLines(symbols: Symbols, parts: readonly Part[], devices: readonly string[]): string[] {
  const { wans, services } = symbols;
  const stems = [
    ...wans.map(({ stem }) => stem),
    ...services.flatMap(({ service, stem }) => service.backends.map((_, i) => serverStem(stem, i))),
  ];
  const each = (line: (part: Part) => string) => parts.map(line);
  return [
    `check_weights ${stems.map((stem) => `"$${stem}_weight"`).join(' ')}`,
    'look',
    ...each(({ tool, family }) => `test_tables ${tool} "$tables${family}"`),
    // One to a line, since a line of several assignments succeeds when the last one does.
    ...parts.flatMap(({ tool, family }) => [
      `old_routes${family}=$(routes_there ${family})`,
      `old_rules${family}=$(rules_there ${family})`,
      `old_tables${family}=$(ours ${tool})`,
    ]),
    'undo=1 fresh=1',
    '[ ! -e "$state" ] || fresh=',
    ': >>"$state"',
    ...each(({ tool, family }) => `note_tables ${tool} "$tables${family}"`),
    ...(devices.length === 0 ? [] : [`valid_mark ${devices.join(' ')}`]),
    ...each((part) => part.put()),
    ...parts.flatMap((part) => part.forgetting()),
    'undo=',
    ...(wans.length === 0 ? [] : [`[ -z "$fresh" ] || begun_before ${begunMarks(symbols)}`]),
  ];
}

/** No mark, and those of WANs that translate: while the rules are made, what began before can get one, but no translation. */
function begunMarks({ config }: Symbols): string {
  const { wans: field } = config.fields;
  const translate = config.wans.filter((wan) => FAMILIES.some((family) => natOf(wan, family) !== 'none'));
  return [`0/${hex(field.mask)}`, ...translate.map(({ mark }) => field.format(mark))].join(' ');
}

/** The function `down`. It empties the tables in an order in which nothing is sent elsewhere after its NAT is gone. */
function downFunction(parts: readonly Part[]): string {
  return `down() {
	_nothing='*filter
*mangle
*nat'
${parts.map(({ family, tool }) => `\tput ${family} ${tool} '' '' "$_nothing"`).join('\n')}
	forget
}`;
}

function finishFunction(parts: readonly Part[]): string {
  return `# finish runs at every exit.
undo=''
finish() {
	_code=$?
	trap '' HUP INT TERM
	if [ -n "$undo" ]; then
		set +e
		say 'failed; everything goes back to what it was'
${parts.map((part) => `\t\t${part.put('old_')}`).join('\n')}
		[ -z "$fresh" ] || forget
	fi
	[ "$_code" = 0 ] || exit 1
}`;
}

function startText(parts: readonly Part[]): string {
  const programs = parts.flatMap(({ family }) =>
    ['', '-save', '-restore'].map((end) => `"$${toolOf(family)}${end}"`),
  );
  return `case $#:\${1-up} in
[01]:up | 1:refresh | 1:down) ;;
*) misuse "usage: $0 up|refresh|down" ;;
esac
need ip awk flock ${programs.join(' ')}
trap finish EXIT
trap 'exit 1' HUP INT TERM
lock
"\${1-up}"`;
}

/** The functions of a library that a text calls, directly or by other functions. */
function called(library: readonly string[], text: string): string[] {
  const names = (functions: string) => [...functions.matchAll(/^(\w+)\(\)/gm)].map(([, name]) => name!);
  const code = (one: string) => one.replaceAll(/^\s*#.*$/gm, '');
  // Matches a name only where a command may begin: `ip route` does not call `route`, nor does awk's `gateway = ` call
  // `gateway`.
  const isCalled = (one: string, by: string) =>
    names(one).some((name) =>
      new RegExp(`(^\\s*|[|&({!;] ?|\\) |(if|do|then) )${name}( (?!=)|[;)]|$)`, 'm').test(by),
    );
  const needed = new Set<string>(library.filter((one) => /^(say|need|lock)\(\)/m.test(one)));
  for (let before = -1; before !== needed.size; ) {
    before = needed.size;
    const by = [text, ...needed].map(code).join('\n');
    for (const one of library) if (isCalled(one, by)) needed.add(one);
  }
  return library.filter((one) => needed.has(one));
}
