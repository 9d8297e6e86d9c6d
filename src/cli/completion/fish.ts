import type { DescribedCommand } from '../descriptions.js';
import { grouped, type Values, valuesOf } from './values.js';

const MORE: Readonly<Record<'device' | 'user', string>> = {
  device: '(command ls /sys/class/net)',
  user: '(__fish_complete_users)',
};

/** The completion of all commands for fish(1). */
export function fishCompletion(commands: readonly DescribedCommand[]): string {
  const options = grouped(
    commands.flatMap(({ name, options }) =>
      options.map((one) => {
        const values = valuesOf(one);
        const takes = values === undefined ? '' : ` -r ${offer(values)}`;
        return [name, `-l ${one.name}${takes} -d ${quoted(one.describe)}`] as const;
      }),
    ),
  );
  const positionals = commands.flatMap(({ name, positionals }) =>
    positionals.flatMap((one) => {
      const values = valuesOf(one);
      const isEmpty = values === undefined || (values.words.length === 0 && values.more === undefined);
      return isEmpty ? [] : [[name, `${offer(values)} -d ${quoted(one.name)}`] as const];
    }),
  );
  return `# Completion of wanmark for fish, by \`wanmark completion fish\`.
complete -c wanmark -f
complete -c wanmark -l help -d 'Show help'
complete -c wanmark -n __fish_use_subcommand -l version -d 'Show the version'
${commands.map(({ name, describe }) => `complete -c wanmark -n __fish_use_subcommand -a ${name} -d ${quoted(describe)}`).join('\n')}
${[...options, ...grouped(positionals)].map(([what, names]) => `complete -c wanmark -n '__fish_seen_subcommand_from ${names.join(' ')}' ${what}`).join('\n')}
`;
}

/** The options of \`complete\` for what is offered. */
function offer({ words, more }: Values): string {
  const files = more === 'file' ? '-F' : '-f';
  const all = [...words, ...(more === undefined || more === 'file' ? [] : [MORE[more]])];
  return all.length === 0 ? files : `${files} -a ${quoted(all.join(' '))}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
}
