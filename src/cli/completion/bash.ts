import type { DescribedCommand } from '../descriptions.js';
import { grouped, type Values, valuesOf } from './values.js';

/** The completion of all commands for bash(1), which asks no program at a TAB. */
export function bashCompletion(commands: readonly DescribedCommand[]): string {
  const all = commands.flatMap(({ options }) => options);
  // An option of one name takes the same values in all commands, unless it is a switch.
  const taken = new Map(
    all.flatMap((one) => {
      const values = valuesOf(one);
      return values === undefined ? [] : [[`--${one.name}`, offer(values)]];
    }),
  );
  const switches = commands.flatMap(({ name, options }) =>
    options
      .filter((one) => valuesOf(one) === undefined && taken.has(`--${one.name}`))
      .map((one) => [`${name}--${one.name}`, "prev=''"] as const),
  );
  const options = commands.map(
    ({ name, options }) =>
      [
        name,
        `words='${['help', ...options.map((one) => one.name)].map((one) => `--${one}`).join(' ')}'`,
      ] as const,
  );
  const positionals = commands.flatMap(({ name, positionals }) => {
    const values = positionals.flatMap((one) => valuesOf(one) ?? []);
    if (values.length === 0) return [];
    const words = values.flatMap((one) => one.words);
    return [[name, offer({ words, more: values.find(({ more }) => more)?.more })] as const];
  });
  return `# Completion of wanmark for bash, by \`wanmark completion bash\`.
# shellcheck shell=bash

_wanmark() {
	local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} head='' words='' more=''
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W '${[...commands.map(({ name }) => name), '--help', '--version'].join(' ')}' -- "$cur")
		return
	fi
	# Readline takes "=" for a word of its own.
	if [[ $cur == '=' ]]; then
		cur='' head=$prev=
	elif [[ $prev == '=' ]]; then
		prev=\${COMP_WORDS[COMP_CWORD - 2]} head=$prev=
	fi
	if [[ $prev == -* ]]; then
		head=''
	elif [[ -n $head ]]; then
		cur=$head$cur
	fi
	# Others take a value where these commands have a switch.
	case \${COMP_WORDS[1]}$prev in
${cases(switches)}
	esac
	case $prev in
${cases(taken)}
	*)
		if [[ $cur == -* ]]; then
			case \${COMP_WORDS[1]} in
${cases(options, '\t\t\t')}
			esac
		else
			case \${COMP_WORDS[1]} in
${cases(positionals, '\t\t\t')}
			esac
		fi
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	# What stands before the "=" is there already.
	COMPREPLY=("\${COMPREPLY[@]#"$head"}")
	case $more in
	file)
		compopt -o filenames 2>/dev/null
		mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
		;;
	device)
		mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -W "$(cd /sys/class/net 2>/dev/null && echo *)" -- "$cur")
		;;
	user)
		mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -u -- "$cur")
		;;
	esac
}
complete -F _wanmark wanmark
`;
}

/** The commands that say what is offered. */
function offer({ words, more }: Values): string {
  const set = [
    ...(words.length > 0 ? [`words='${words.join(' ')}'`] : []),
    ...(more ? [`more='${more}'`] : []),
  ];
  return set.length > 0 ? set.join(' ') : 'return';
}

/** The clauses of a \`case\`: patterns by what is done. */
function cases(entries: Iterable<readonly [string, string]>, indent = '\t'): string {
  return [...grouped(entries)].map(([done, names]) => `${indent}${names.join(' | ')}) ${done} ;;`).join('\n');
}
