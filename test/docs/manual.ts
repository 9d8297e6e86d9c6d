import { type Described, type DescribedCommand, describeCommands } from '#wanmark/cli/descriptions.js';
import { CHANGE_KEYS } from '#wanmark/config/keys.js';
import type { Option } from '#wanmark/config/option.js';
import { OPTIONS } from '#wanmark/config/options.js';
import { argument, display, tagList, textLines } from './mdoc.js';
import { ENVIRONMENT, EXIT_CODES } from './surroundings.js';
import { ITEMS, SECTIONS } from './tables.js';

/** The pages of the manual: their texts by their paths from the root. */
export async function manualPages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['man/wanmark.8', commandsPage(await describeCommands())],
    ['man/wanmark.yaml.5', filePage()],
  ]);
}

/** The last time that what the pages say changed much; mdoc(7) asks for a date. */
const DATE = 'November 30, 2026';

function page(name: string, section: number, describe: string, body: readonly string[]): string {
  const head = [
    '.\\" Written by `npm run docs` from src/config, src/cli and test/docs/manual.ts.',
    `.Dd ${DATE}`,
    `.Dt ${name.toUpperCase()} ${section}`,
    '.Os',
    '.Sh NAME',
    `.Nm ${name}`,
    `.Nd ${describe}`,
  ];
  return `${[...head, ...body].join('\n')}\n`;
}

function commandsPage(commands: readonly DescribedCommand[]): string {
  return page('wanmark', 8, 'balance connections over several uplinks', [
    '.Sh SYNOPSIS',
    ...commands.flatMap(({ name, positionals, usage }) => [
      '.Nm',
      `.Cm ${name}`,
      ...positionals.map((one) => positionalArgument(one, usage)),
      '.Op Ar options',
    ]),
    '.Sh DESCRIPTION',
    textLines(
      'Rules of the kernel give each new connection one of several uplinks, or one of several servers. A daemon chooses, by a strategy and by what it knows of each uplink; without the daemon the kernel chooses by weight.',
    ),
    '.Sh COMMANDS',
    tagList(commands.map((one) => [`Cm ${one.name}`, commandLines(one)])),
    '.Sh OPTIONS',
    textLines(
      'The same options serve all the commands that take a configuration, and the file of `--config` has them as keys: see',
    ),
    '.Xr wanmark.yaml 5 .',
    'The keys of the items are there, too.',
    ...optionSections(),
    '.Sh ENVIRONMENT',
    tagList([
      ...ENVIRONMENT.map(
        ([name, standard, does]) =>
          [`Ev ${name}`, [textLines(`${sentence(does)}. The default is \`${standard}\`.`)]] as const,
      ),
      [
        'Ev IPTABLES , IP6TABLES',
        [textLines('The programs, for example `iptables-legacy` and `ip6tables-legacy`.')],
      ],
    ]),
    '.Sh FILES',
    tagList([
      ['Pa /etc/wanmark.yaml', ['The configuration file of the units of', '.Xr systemd 1 .']],
      [
        'Pa /run/wanmark',
        [textLines('The socket of the daemon, and what is remembered from `up` to `down`.')],
      ],
    ]),
    '.Sh EXIT STATUS',
    tagList(EXIT_CODES.map(([code, means]) => [String(code), [textLines(`${means}.`)]])),
    '.Sh EXAMPLES',
    ...commands.map(({ examples }) =>
      display(examples.map(([line, does]) => `# ${does}\n${line}`).join('\n\n')),
    ),
    '.Sh SEE ALSO',
    '.Xr wanmark.yaml 5 ,',
    '.Xr conntrack 8 ,',
    '.Xr ip-rule 8 ,',
    '.Xr iptables 8',
  ]);
}

function positionalArgument({ name }: Described, usage: string): string {
  const isNeeded = usage.includes(`<${name}>`);
  const dots = usage.includes(`${name}..`) ? ' ...' : '';
  return isNeeded ? `.Ar ${name}` : `.Op Ar ${name}${dots}`;
}

function commandLines({ describe, positionals, options }: DescribedCommand): readonly string[] {
  const own = options.filter(
    ({ name, describe }) => OPTIONS[name]?.describe !== describe && name !== 'config',
  );
  const all = [
    ...positionals.map((one) => [`Ar ${one.name}`, describedLines(one)] as const),
    ...own.map((one) => [flagHead(one.name, one.value), describedLines(one)] as const),
  ];
  const takesAll = options.some(({ name, describe }) => OPTIONS[name]?.describe === describe);
  return [
    textLines(`${describe}.`),
    ...(takesAll ? ['It takes the options below.'] : []),
    ...(all.length > 0 ? [tagList(all)] : []),
  ];
}

function describedLines({ describe, words, default: standard }: Described): readonly string[] {
  const values = words.length === 0 ? '' : ` Words: ${words.map((word) => `\`${word}\``).join(', ')}.`;
  return [textLines(`${describe}.${values}${defaultSentence(standard)}`)];
}

function optionSections(): readonly string[] {
  return SECTIONS.flatMap(([of, options]) => [
    `.Ss ${sentence(of)}`,
    tagList(
      Object.entries(options).map(([name, option]) => [flagHead(name, option.value), optionLines(option)]),
    ),
  ]);
}

function flagHead(name: string, value: string | undefined): string {
  return `Fl \\-${name.replaceAll('-', '\\-')}${value === undefined ? '' : ` Ar ${argument(value)}`}`;
}

function optionLines({ details, describe, default: standard }: Option): readonly string[] {
  return [textLines(`${details ?? describe}.${defaultSentence(standard)}`)];
}

function defaultSentence(standard: string | undefined): string {
  return standard === undefined ? '' : ` The default is \`${standard}\`.`;
}

const EXAMPLE = `# yaml-language-server: $schema=/usr/lib/node_modules/wanmark/docs/wanmark.schema.json
strategy: weighted
wan:
  - { name: fibre, dev: eth1, via: 192.0.2.1, weight: 5 }
  - { name: dsl, dev: ppp0 }
check:
  - { wan: all, check: ping, to: [1.1.1.1, 9.9.9.9] }
rule:
  - { from: 192.168.9.50, policy: dsl }
`;

function filePage(): string {
  return page('wanmark.yaml', 5, 'configuration file of wanmark', [
    '.Sh DESCRIPTION',
    textLines('The file of `--config` is YAML, or JSON, which is YAML. Its keys are the options of'),
    '.Xr wanmark 8',
    textLines(
      'without their dashes. An option that can be repeated is a list, and a switch is `true` or `false`. An item of a list is a map of the keys below, or the text that the flag would have: `"fibre,dev=eth1,weight=5"`. Flags win over the file. A mistake is told with its file, line and column.',
    ),
    '.Sh OPTIONS',
    tagList(
      Object.entries(OPTIONS).map(([name, option]) => [
        `Cm ${name.replaceAll('-', '\\-')}${option.value === undefined ? '' : ` Ar ${argument(option.value)}`}`,
        optionLines(option),
      ]),
    ),
    '.Sh KEYS OF ITEMS',
    ...[...ITEMS].flatMap(([option, [what, keys]]) => [
      `.Ss Keys of ${what}`,
      textLines(`Of each item of \`${option}\`. \`${OPTIONS[option]!.value}\` is its form as a flag.`),
      tagList(
        Object.entries(keys).map(([name, key]) => [
          `Cm ${name.replaceAll('-', '\\-')}`,
          [
            textLines(
              `${key.details}.${defaultSentence(key.default)}${key.isRequired ? ' It is required.' : ''}`,
            ),
          ],
        ]),
      ),
    ]),
    '.Ss Keys of set',
    textLines('Of `wanmark set WAN key=value...`, which changes the running daemon.'),
    tagList(
      Object.entries(CHANGE_KEYS).map(([name, { details }]) => [`Cm ${name}`, [textLines(`${details}.`)]]),
    ),
    '.Sh EXAMPLES',
    textLines('The first line is for editors, which then complete the file and mark mistakes in it.'),
    display(EXAMPLE),
    '.Sh SEE ALSO',
    '.Xr wanmark 8',
  ]);
}

/** The words with a capital in front. */
function sentence(words: string): string {
  return words[0]!.toUpperCase() + words.slice(1);
}
