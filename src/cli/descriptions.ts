import yargs, { type Argv } from 'yargs';
import { STRATEGIES } from '../core/strategies/registry.js';
import { loadCommands, nameOf } from './commands.js';
import { EXAMPLES, type Example } from './examples.js';

/** An option or a positional argument of a command, as its help has it. */
export interface Described {
  readonly name: string;
  readonly describe: string;
  /** The name of its value; undefined for a switch. */
  readonly value: string | undefined;
  /** Words that can be the value; beside them there is only what capitals in `value` stand for. */
  readonly words: readonly string[];
  readonly default: string | undefined;
}

/** A command, as its help has it. */
export interface DescribedCommand {
  readonly name: string;
  /** Its name and arguments, such as `explain <src> <dst>`. */
  readonly usage: string;
  readonly describe: string;
  readonly positionals: readonly Described[];
  /** The options that it uses. */
  readonly options: readonly Described[];
  readonly examples: readonly Example[];
}

/** What yargs knows beyond its types. */
interface Built extends Argv {
  getOptions(): {
    readonly key: Readonly<Record<string, unknown>>;
    readonly boolean: readonly string[];
    readonly hiddenOptions: readonly string[];
    readonly choices: Readonly<Record<string, readonly string[]>>;
    readonly defaultDescription: Readonly<Record<string, string | undefined>>;
  };
  getGroups(): Readonly<Record<string, readonly string[]>>;
  getInternalMethods(): {
    getUsageInstance(): { getDescriptions(): Readonly<Record<string, string>> };
  };
}

const WORD = /^[a-z][a-z0-9=]*$/;

/** What yargs gives every command. */
const OF_ALL = ['help', 'version'];

/** All the commands, as their help has them: what manuals and completions are made of. */
export async function describeCommands(): Promise<readonly DescribedCommand[]> {
  return (await loadCommands([])).map((command) => {
    const build = command.builder as (yargs: Argv, help: boolean) => Argv;
    const built = build(yargs([]), true) as Built;
    const options = built.getOptions();
    const positionals = Object.values(built.getGroups()).flat();
    const descriptions = built.getInternalMethods().getUsageInstance().getDescriptions();
    const shown = Object.keys(options.key).filter(
      (name) => !OF_ALL.includes(name) && !options.hiddenOptions.includes(name),
    );
    const describeOne = (name: string): Described => {
      const { describe, value } = splitValue(descriptions[name] ?? '');
      const choices = options.choices[name] ?? (value ?? '').split('|');
      return {
        name,
        describe,
        value: options.boolean.includes(name) ? undefined : (value ?? choices.join('|')),
        words: name === 'strategy' ? [...STRATEGIES.keys()] : choices.filter((word) => WORD.test(word)),
        default: options.defaultDescription[name],
      };
    };
    return {
      name: nameOf(command),
      usage: String(command.command),
      describe: String(command.describe),
      positionals: shown.filter((name) => positionals.includes(name)).map(describeOne),
      options: shown.filter((name) => !positionals.includes(name)).map(describeOne),
      examples: EXAMPLES[nameOf(command)] ?? [],
    };
  });
}

/** Takes the name of the value off the end of a description. */
function splitValue(text: string): Pick<Described, 'describe'> & { readonly value: string | undefined } {
  const [, describe = text, value] = /^(.*) \[([^\]]+)\]$/.exec(text) ?? [];
  return { describe, value };
}
