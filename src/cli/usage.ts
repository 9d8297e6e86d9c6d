import yargs, { type Argv, type CommandModule } from 'yargs';
import { nearest, suggestion } from '../config/nearest.js';
import { OPTIONS } from '../config/options.js';
import { UsageError } from '../errors.js';
import { nameOf } from './commands.js';

/**
 * Turns yargs' complaint into one line, with the nearest name for an unknown command or option.
 * @param args the command line, which tells an option from a stray word
 */
export function usageError(
  complaint: string,
  args: readonly string[],
  commands: readonly CommandModule[],
): UsageError {
  const unknown = /^Unknown (?:argument|command)s?: ([^,]+)/.exec(complaint);
  if (unknown === null) return new UsageError(complaint.split('\n')[0]!);
  const word = unknown[1]!.trim();
  const names = commands.map(nameOf);
  const command = commands.find((one) => nameOf(one) === args[0]);
  if (command === undefined) {
    const given = args.find((arg) => !arg.startsWith('-')) ?? word;
    return new UsageError(`unknown command "${given}"${suggestion(given, names)}`);
  }
  if (!args.some((arg) => optionName(arg) === word)) {
    return new UsageError(`${args[0]} takes options only, not "${word}"; see wanmark ${args[0]} --help`);
  }
  const near = nearest(word, optionNames(command));
  const hint = near === undefined ? `see wanmark ${args[0]} --help` : `did you mean --${near}?`;
  return new UsageError(`unknown option --${word}; ${hint}`);
}

/** Rejects a value for a switch: yargs would read `--log-mark=5` as false. A switch takes only true and false. */
export function rejectSwitchValues(args: readonly string[]): void {
  for (const arg of args) {
    const [, value] = arg.split('=', 2);
    const name = optionName(arg);
    if (value === undefined || name === undefined || OPTIONS[name]?.type !== 'switch') continue;
    if (value !== 'true' && value !== 'false')
      throw new UsageError(`--${name} takes no value; leave "=${value}" out`);
  }
}

function optionName(arg: string): string | undefined {
  return /^--?([^=]+)/.exec(arg)?.[1];
}

function optionNames(command: CommandModule): string[] {
  if (typeof command.builder !== 'function') return [];
  const built = command.builder(yargs([])) as Argv & { getOptions(): { key: Record<string, unknown> } };
  return Object.keys(built.getOptions().key);
}
