import type { Described, DescribedCommand } from '../descriptions.js';
import { type Values, valuesOf } from './values.js';

const MORE: Readonly<Record<NonNullable<Values['more']>, string>> = {
  file: '_files',
  device: '_net_interfaces',
  user: '_users',
};

/** The completion of all commands for zsh(1), by zshcompsys(1). */
export function zshCompletion(commands: readonly DescribedCommand[]): string {
  const list = commands.map(({ name, describe }) => `\t\t${quoted(`${name}:${describe}`)}`);
  return `#compdef wanmark
# Completion of wanmark for zsh, by \`wanmark completion zsh\`.

_wanmark() {
	local curcontext=$curcontext context state line
	local -A opt_args
	local -a commands
	commands=(
${list.join('\n')}
	)
	_arguments -C '(- *)--help[show help]' '(- *)--version[show the version]' '1:command:->command' '*::argument:->argument'
	case $state in
	command) _describe -t commands command commands ;;
	argument)
		case $words[1] in
${commands.map(clause).join('\n')}
		esac
		;;
	esac
}

# As a file of $fpath, or read by \`source\`.
if [[ \${funcstack[1]} == _wanmark ]]; then
	_wanmark "$@"
else
	compdef _wanmark wanmark
fi
`;
}

function clause({ name, usage, positionals, options }: DescribedCommand): string {
  const specs = [
    "'(- *)--help[show help]'",
    ...options.map(optionSpec),
    ...positionals.map((one, i) =>
      positionalSpec(one, usage.includes(`${one.name}..`) ? '*' : String(i + 1)),
    ),
  ];
  return `\t\t${name})\n\t\t\t_arguments \\\n${specs.map((one) => `\t\t\t\t${one}`).join(' \\\n')}\n\t\t\t;;`;
}

/** An option can be given again, and has its value behind a space or a "=". */
function optionSpec(option: Described): string {
  const values = valuesOf(option);
  const text = `[${escaped(option.describe)}]`;
  if (values === undefined) return quoted(`--${option.name}${text}`);
  return quoted(`*--${option.name}=${text}:${escaped(option.value!)}:${action(values)}`);
}

function positionalSpec(one: Described, place: string): string {
  return quoted(`${place}:${escaped(one.name)}:${action(valuesOf(one) ?? { words: [], more: undefined })}`);
}

function action({ words, more }: Values): string {
  const list = words.length > 0 ? `(${words.join(' ')})` : undefined;
  if (more === undefined) return list ?? ' ';
  if (list === undefined) return MORE[more];
  // An action ends at a colon; behind a space it gets no arguments more.
  return ` _alternative "words\\:word\\:${list}" "${more}s\\:${more}\\:${MORE[more]}"`;
}

/** What _arguments reads as a part of its own form. */
function escaped(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, '\\$&');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
