import type { PlanConfig } from '../../config/config.js';
import { FAMILIES, type Family } from '../../core/family.js';
import { hex } from '../../core/mark.js';
import { carries, natOf } from '../../core/wan.js';
import { buildPlan } from '../build.js';
import { mayHaveOwnSource } from '../own.js';
import { initialStates } from '../states.js';
import { POLICY_RULE } from './script/choosing.js';
import type { Dialect } from './script/dialect.js';
import { ScriptFamily } from './script/family.js';
import { FINDING } from './script/finding.js';
import { headText, settingsText } from './script/head.js';
import { IptablesDialect, type Programs } from './script/iptables-dialect.js';
import { NftDialect } from './script/nft-dialect.js';
import { routingFunctions } from './script/routing.js';
import {
  gatewayVariable,
  makeSymbols,
  type ScriptWan,
  type Symbols,
  serverStem,
  viaVariable,
} from './script/symbols.js';
import { shellFunction } from './script/words.js';

/**
 * Renders a shell script that stands alone and does what the plan of a configuration says: the same chains, rules and
 * tables. It finds by itself what only the machine knows, such as gateways, addresses and specific networks. What a
 * person may want to change are variables at its top.
 * @param programs the iptables that it calls, where nft does not have the rules
 */
export function renderScript(config: PlanConfig, programs: Programs): string {
  const isNft = config.rules.firewall === 'nft';
  const symbols = makeSymbols(config, isNft);
  const plan = buildPlan(symbols.config, symbols.facts, initialStates(config.wans));
  const families = FAMILIES.filter((family) => plan.families[family].served).map(
    (family) => new ScriptFamily(config, symbols, plan.families[family], family),
  );
  const dialect: Dialect = isNft
    ? new NftDialect(config, plan, families)
    : new IptablesDialect(config, families, programs);
  const parts = families.map((own) => new Part(config, symbols, own, dialect));
  const devices = new Set(
    symbols.wans.filter(({ wan }) => carries(wan, 4)).map(({ device }) => `"${device}"`),
  );
  const own = [
    ...parts.flatMap((part) => part.functions()),
    ...dialect.common(),
    shellFunction('look', [...parts.flatMap((part) => part.finders()), ...dialect.wanted()]),
    `# up: checks everything that can be checked before anything is changed.\n${shellFunction('up', upLines(symbols, dialect, parts, [...devices]))}`,
    `refresh() {
	[ -e "$state" ] || { say "is not up; run '$0 up' first"; exit 1; }
	up
}`,
    downFunction(dialect),
    finishFunction(dialect),
  ];
  const { finding, choosing, changing } = dialect.library;
  const library = [...FINDING, ...finding, ...choosing, POLICY_RULE, ...changing];
  return `${[
    headText(config, dialect),
    title('settings'),
    settingsText(config, symbols.variables, dialect.settings),
    title('what is wanted'),
    ...own,
    title('how it is found out and done'),
    ...called(library, own.join('\n')),
    title('start'),
    startText(dialect),
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
  readonly #own: ScriptFamily;
  readonly #dialect: Dialect;

  constructor(config: PlanConfig, symbols: Symbols, own: ScriptFamily, dialect: Dialect) {
    this.family = own.family;
    this.#config = config;
    this.#wans = symbols.wans.filter(({ wan }) => carries(wan, own.family));
    this.#own = own;
    this.#dialect = dialect;
  }

  /** The functions that print the wanted state. */
  functions(): string[] {
    const { plan, policies, family } = this.#own;
    const routing =
      this.#wans.length === 0 ? [] : routingFunctions(this.#config, this.#wans, plan, policies, family);
    return [...routing, ...this.#dialect.functions(family)];
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
      ...this.#dialect.finders(family),
      ...(this.#wans.length === 0
        ? [`routes${family}='' rules${family}=''`]
        : [`routes${family}=$(print_routes${family})`, `rules${family}=$(print_rules${family})`]),
      ...this.#dialect.wanted(family),
    ];
  }

  /** The router's own IPv6 sockets may have learned exceptions before they had a table of their own. */
  forgetting(): string[] {
    return this.family === 6 && this.#wans.length > 0 ? ['ip -6 route flush cache'] : [];
  }

  #devices(): string {
    return [...new Set(this.#wans.map(({ device }) => `"${device}"`))].join(' ');
  }
}

function upLines(
  { wans, services, config }: Symbols,
  dialect: Dialect,
  parts: readonly Part[],
  devices: readonly string[],
): string[] {
  const stems = [
    ...wans.map(({ stem }) => stem),
    ...services.flatMap(({ service, stem }) => service.backends.map((_, i) => serverStem(stem, i))),
  ];
  return [
    `check_weights ${stems.map((stem) => `"$${stem}_weight"`).join(' ')}`,
    'look',
    ...dialect.test(),
    // One to a line, since a line of several assignments succeeds when the last one does.
    ...parts.flatMap(({ family }) => [
      `old_routes${family}=$(routes_there ${family})`,
      `old_rules${family}=$(rules_there ${family})`,
      ...dialect.remember(family),
    ]),
    ...dialect.remember(),
    'undo=1 fresh=1',
    '[ ! -e "$state" ] || fresh=',
    ': >>"$state"',
    ...dialect.note(),
    ...(devices.length === 0 ? [] : [`valid_mark ${devices.join(' ')}`]),
    ...dialect.put(''),
    ...parts.flatMap((part) => part.forgetting()),
    'undo=',
    ...(wans.length === 0 ? [] : [`[ -z "$fresh" ] || begun_before ${begunMarks({ config })}`]),
  ];
}

/** No mark, and those of WANs that translate: while the rules are made, what began before can get one, but no translation. */
function begunMarks({ config }: Pick<Symbols, 'config'>): string {
  const { wans: field } = config.fields;
  const translate = config.wans.filter((wan) => FAMILIES.some((family) => natOf(wan, family) !== 'none'));
  return [`0/${hex(field.mask)}`, ...translate.map(({ mark }) => field.format(mark))].join(' ');
}

/** The function `down`. It empties the tables in an order in which nothing is sent elsewhere after its NAT is gone. */
function downFunction({ removal }: Dialect): string {
  return shellFunction('down', [...removal, 'forget']);
}

function finishFunction(dialect: Dialect): string {
  return `# finish runs at every exit.
undo=''
finish() {
	_code=$?
	trap '' HUP INT TERM
	if [ -n "$undo" ]; then
		set +e
		say 'failed; everything goes back to what it was'
${dialect
  .put('old_')
  .map((line) => `\t\t${line}`)
  .join('\n')}
		[ -z "$fresh" ] || forget
	fi
	[ "$_code" = 0 ] || exit 1
}`;
}

function startText({ programs }: Dialect): string {
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
