import { CHANGE_KEYS, type KeyTable } from '#wanmark/config/keys.js';
import type { Option } from '#wanmark/config/option.js';
import { OPTIONS } from '#wanmark/config/options.js';
import { ENVIRONMENT, EXIT_CODES } from './surroundings.js';
import { ITEMS, SECTIONS } from './tables.js';

/** The text of docs/options.md: the tables of `src/config`, and what there is to say around them. */
export function optionsPage(): string {
  return `<!-- Written by \`npm run docs\` from src/config/options/, src/config/keys.ts and test/docs/options-page.ts. -->

# Commands and options

| command | what it does |
|---|---|
| \`wanmark up\` | installs rules, NAT and routes, as one transaction, and says in some lines what it has set up. Run again, it changes only what differs. \`--verbose\`, also of \`refresh\` and \`down\`, shows each command that is run |
| \`wanmark run\` | is the daemon: it chooses a mark for each new connection |
| \`wanmark refresh\` | brings what \`up\` installed in line with the routes, addresses and neighbours of now. See [uplinks that change](uplinks.md) |
| \`wanmark check\` | says what is missing of what \`up\` installed, and ends with exit code 1 if something is |
| \`wanmark down\` | removes all that is ours |
| \`wanmark print\` | prints what \`up\` would do, as [one script that stands alone](scripts.md#a-script-that-stands-alone) |
| \`wanmark status\` | shows [how the uplinks do](watching.md#status); \`--json\`, \`--csv\`, \`--watch\`. \`status connections\` lists the live ones, \`status rules\` shows [what each rule took](policies.md#what-a-rule-took) |
| \`wanmark web\` | serves [a page](web.md) that shows the daemon, and [metrics](metrics.md); \`--listen\`, \`--token-file\`, \`--host\`, \`--allow-set\` |
| \`wanmark top\` | is [the status, live](watching.md#top), with keys to drain a WAN or set it down |
| \`wanmark events\` | shows [what happened](watching.md#events), with a daemon and without one; \`--since\`, \`--json\` |
| \`wanmark doctor\` | looks for [what is wrong](doctor.md) with the rules, the uplinks and the machine, and says what to do; \`--json\` |
| \`wanmark explain\` | says [where a connection goes, and why](explain.md) |
| \`wanmark reload\` | makes the running daemon, and the rules, [go over to the configuration of now](systemd.md#after-a-change-of-the-configuration) |
| \`wanmark set\` | [changes a WAN](health.md#by-hand) of the running daemon |
| \`wanmark import\` | prints [the configuration of mwan3](from-mwan3.md), VyOS or EdgeOS as one of ours, and says what is not the same |
| \`wanmark completion\` | prints a script by which bash, zsh or fish [completes](#completion) commands, options and values |
| \`wanmark lab\` | builds a router with several WANs in namespaces, and counts who went where |

\`up\`, \`run\`, \`print\`, \`refresh\`, \`check\`, \`doctor\` and \`down\` take the same flags, so one set of them serves all: each
command leaves alone what is not for it. \`down\` needs none, and \`refresh\`, \`check\` and \`doctor\` without any take the
configuration of the last \`up\`. \`wanmark COMMAND --help\` lists what a command uses.

${SECTIONS.map(([of, options]) => `## Flags of ${of}\n\n${flags(options)}\n`).join('\n')}
${[...ITEMS].map(([option, [what, all]]) => itemSection(option, what, all)).join('\n')}
## Keys of set

\`wanmark set WAN key=value...\`; in place of a WAN also a backend, or a service, which is all of its backends

${keys(CHANGE_KEYS)}

## The configuration file

\`--config FILE\` reads YAML or JSON. Its keys are the flags without their dashes, a flag that can be repeated is a list, and a
switch is \`true\` or \`false\`. An item of a list is a map of the keys above, or the text that the flag would have.

\`\`\`yaml
# wanmark.yaml
strategy: weighted
wan:
  - { name: fibre, dev: eth1, via: 192.0.2.1, via6: 'fe80::1', weight: 5 }
  - { name: dsl, dev: ppp0, weight: 1 }
\`\`\`

Editors that read JSON Schema complete such a file and mark mistakes in it. The schema is \`docs/wanmark.schema.json\` of the package;
an editor with yaml-language-server finds it by the first line of the file:

\`\`\`yaml
# yaml-language-server: $schema=/usr/lib/node_modules/wanmark/docs/wanmark.schema.json
\`\`\`

\`npm root --global\` prints the directory of the packages; of a checkout it is \`docs/\` there.

## Completion

The scripts know every command, option and value, and run no program at a TAB. A new version of wanmark may have others:

\`\`\`sh
wanmark completion bash > /etc/bash_completion.d/wanmark
wanmark completion zsh > /usr/local/share/zsh/site-functions/_wanmark
wanmark completion fish > /etc/fish/completions/wanmark.fish
\`\`\`

## Environment

| variable | default | what it does |
|---|---|---|
${ENVIRONMENT.map(([name, standard, does]) => `| ${code(name)} | ${code(standard)} | ${does} |`).join('\n')}
| \`IPTABLES\`, \`IP6TABLES\` | \`iptables\`, \`ip6tables\` | name the programs, for example \`iptables-legacy\` and \`ip6tables-legacy\` |

## Exit codes

| code | meaning |
|---|---|
${EXIT_CODES.map(([code, means]) => `| ${code} | ${means} |`).join('\n')}

An error is one line that says what is wrong and what to do about it, and nothing has been changed. A mistake in a configuration file
has its place in front, as \`wanmark.yaml:12:5:\`.
`;
}

/** What is to be said of a flag that the table of its keys does not say. */
const MORE: Readonly<Record<string, string>> = {
  rule: `All that is given must hold. Several values of a key are joined by \`+\` in a flag, and are a list in a file; any of them will do.
A \`!\` before the first stands for none of them.

`,
};

/** The forms of flags whose help names the item otherwise. */
const FORMS: Readonly<Record<string, string>> = {
  backend: 'SERVICE,key=value,...',
  check: 'WAN=KIND,key=value,...',
};

function itemSection(option: string, what: string, all: KeyTable): string {
  const form = code(`--${option} ${FORMS[option] ?? OPTIONS[option]!.value}`);
  return `## Keys of ${what}\n\n${form}\n\n${MORE[option] ?? ''}${keys(all)}\n`;
}

function flags(options: Readonly<Record<string, Option>>): string {
  return table(
    'flag',
    Object.entries(options).map(([name, { value, default: standard, details, describe }]) => [
      `--${name}${value === undefined ? '' : ` ${value}`}`,
      standard,
      details ?? describe,
    ]),
  );
}

function keys(all: KeyTable): string {
  return table(
    'key',
    Object.entries(all).map(([name, key]) => [name, key.default, key.details]),
  );
}

/** @param rows name, default and description; the first two are shown as code */
function table(head: string, rows: readonly (readonly [string, string | undefined, string])[]): string {
  const lines = rows.map(([name, standard, text]) =>
    [`| ${code(name)}`, standard === undefined ? '' : code(standard), `${cell(text)} |`].join(' | '),
  );
  return [`| ${head} | default | what it does |`, '|---|---|---|', ...lines].join('\n');
}

function code(text: string): string {
  return cell(`\`${text}\``);
}

/** A bar would begin the next cell, also within code. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
