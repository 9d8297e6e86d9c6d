import type { Argv, CommandModule } from 'yargs';
import { EXAMPLES } from './examples.js';

/**
 * The commands by name. Each is loaded only when it is needed, which saves half the time of a start on a small router.
 */
const LOADERS: Readonly<Record<string, () => Promise<CommandModule>>> = {
  run: async () => (await import('./commands/run.js')).runCommand,
  up: async () => (await import('./commands/rules.js')).upCommand,
  down: async () => (await import('./commands/rules.js')).downCommand,
  refresh: async () => (await import('./commands/rules.js')).refreshCommand,
  check: async () => (await import('./commands/rules.js')).checkCommand,
  print: async () => (await import('./commands/print.js')).printCommand,
  status: async () => (await import('./commands/status.js')).statusCommand as CommandModule,
  top: async () => (await import('./commands/top.js')).topCommand as CommandModule,
  events: async () => (await import('./commands/events.js')).eventsCommand as CommandModule,
  doctor: async () => (await import('./commands/doctor.js')).doctorCommand,
  explain: async () => (await import('./commands/explain.js')).explainCommand as CommandModule,
  set: async () => (await import('./commands/set.js')).setCommand as CommandModule,
  web: async () => (await import('./commands/web.js')).webCommand as CommandModule,
  reload: async () => (await import('./commands/reload.js')).reloadCommand as CommandModule,
  import: async () => (await import('./commands/import.js')).importCommand as CommandModule,
  completion: async () => (await import('./commands/completion.js')).completionCommand as CommandModule,
  lab: async () => (await import('./commands/lab.js')).labCommand as CommandModule,
};

/** Loads the command that the command line begins with, or all of them where it begins with none; none for the version. */
export async function loadCommands(args: readonly string[]): Promise<readonly CommandModule[]> {
  if (args.length === 1 && args[0] === '--version') return [];
  const first = args[0] ?? '';
  const wanted = Object.hasOwn(LOADERS, first) ? [LOADERS[first]!] : Object.values(LOADERS);
  return (await Promise.all(wanted.map((load) => load()))).map(withExamples);
}

/** The name of a command, such as `set` of `set [wan] [settings..]`. */
export function nameOf({ command }: CommandModule): string {
  return String(command).split(' ')[0]!;
}

/** The command with its examples in its help, which costs time only where it is asked for. */
function withExamples(command: CommandModule): CommandModule {
  const build = command.builder as (yargs: Argv, help: boolean) => Argv;
  const examples = EXAMPLES[nameOf(command)] ?? [];
  return {
    ...command,
    builder: (yargs, help?: boolean) => {
      const built = build(yargs, help === true);
      return help ? examples.reduce((all, [line, does]) => all.example(line, does), built) : built;
    },
  };
}
