import { basename, join } from 'node:path';
import type { Argv, Options } from 'yargs';
import { configText, readConfigFile } from '../config/file.js';
import { withFirewall } from '../config/firewall.js';
import type { Option } from '../config/option.js';
import { DEFAULT_SOCKET } from '../config/options/run.js';
import { CONFIG_OPTION, OPTIONS, type RawConfig } from '../config/options.js';
import { UsageError } from '../errors.js';
import { isSecondNamespace, runDirectory } from '../system/run-directory.js';

/**
 * Adds the shared options and `--config` to a command. Each command takes all of them, so that `up`, `run` and `down`
 * can be given the same flags; `--help` shows those in `relevant`.
 * @param help whether help is asked for, as yargs tells a builder. Making the help text is a fifth of a start, so
 *   options get none otherwise.
 * @param except options whose name has another meaning in the command; the file of `--config` can still give them
 */
export function addOptions(
  yargs: Argv,
  relevant: Readonly<Record<string, Option>>,
  help = false,
  except: readonly string[] = [],
): Argv {
  for (const [name, option] of Object.entries(OPTIONS)) {
    if (except.includes(name)) continue;
    yargs.option(name, { ...toYargs(option), hidden: !(help && name in relevant) });
  }
  return yargs.option('config', toYargs(CONFIG_OPTION));
}

/**
 * An option of one command that takes a value, of which `--help` shows the name; words with bars between them are all the
 * values that there are.
 */
export function valued(value: string, { describe, defaultDescription }: ValuedOptions) {
  return {
    type: 'string',
    requiresArg: true,
    describe: `${describe} [${value}]`,
    ...(defaultDescription === undefined ? {} : { defaultDescription }),
  } as const;
}

interface ValuedOptions {
  readonly describe: string;
  readonly defaultDescription?: string;
}

/** The option of a command that asks the daemon. */
export const SOCKET = valued('PATH', {
  describe: 'Where the daemon answers (or $WANMARK_SOCKET)',
  defaultDescription: DEFAULT_SOCKET,
});

// Values stay text and lists stay raw until config/ reads them: flags and file share the same checks and messages.
function toYargs({ type, describe, value, default: standard }: Option): Options {
  if (type === 'switch') return { type: 'boolean', describe };
  return valued(value!, standard === undefined ? { describe } : { describe, defaultDescription: standard });
}

/**
 * Where the daemon answers if neither a flag nor the file says it. A path is the same in all network namespaces, so one
 * that shares the run directory with another has its socket beside its state; otherwise `set` would change the other's
 * WANs.
 */
export function presetSocket(): { socket?: string } {
  if (process.env.WANMARK_SOCKET !== undefined) return { socket: process.env.WANMARK_SOCKET };
  return isSecondNamespace() ? { socket: join(runDirectory(), basename(DEFAULT_SOCKET)) } : {};
}

/** The options that were given by a flag, or else in the file of `--config`. @throws UsageError */
export async function rawConfig(argv: Readonly<Record<string, unknown>>): Promise<RawConfig> {
  return withFlags(typeof argv.config === 'string' ? await readConfigFile(argv.config) : {}, argv);
}

/**
 * Makes a configuration of the options of {@link rawConfig}. A mistake in the file is told with its line and column.
 * @param make throws UsageError for what is wrong
 */
export async function madeOfOptions<Made>(
  argv: Readonly<Record<string, unknown>>,
  make: (raw: RawConfig) => Made,
): Promise<Made> {
  const raw = await rawConfig(argv);
  try {
    return make(raw);
  } catch (error) {
    throw await located(argv, error, make);
  }
}

/**
 * Does what a configuration asks for. A mistake that only the machine finds is told with its line and column, too.
 * @param check as in {@link located}
 */
export async function doneByOptions<Done>(
  argv: Readonly<Record<string, unknown>>,
  check: (raw: RawConfig) => unknown,
  act: () => Promise<Done>,
): Promise<Done> {
  try {
    return await act();
  } catch (error) {
    throw await located(argv, error, check);
  }
}

/**
 * An error with its line and column in the file of `--config`, where that is to blame.
 * @param check complains about the mistake, unless only the machine does
 */
export async function located(
  argv: Readonly<Record<string, unknown>>,
  error: unknown,
  check: (raw: RawConfig) => unknown,
): Promise<unknown> {
  if (typeof argv.config !== 'string' || !(error instanceof UsageError)) return error;
  if (error.message.startsWith(`${argv.config}:`)) return error;
  const { locateMistake } = await import('../config/mistake.js');
  // A switch takes the place of nothing that a file lacks.
  const isAlone = !Object.entries(OPTIONS).some(
    ([name, { type }]) => type !== 'switch' && argv[name] !== undefined,
  );
  const file = { path: argv.config, text: await configText(argv.config), isAlone };
  return locateMistake(file, error, (content) => void check(withFlags(content, argv)));
}

function withFlags(file: RawConfig, argv: Readonly<Record<string, unknown>>): RawConfig {
  const flags = Object.keys(OPTIONS).filter((name) => argv[name] !== undefined);
  const given = Object.fromEntries(flags.map((name) => [name, argv[name]]));
  // Each for itself, since `--backend nft` takes no server of the file away.
  return { ...presetSocket(), ...withFirewall(file), ...withFirewall(given) };
}
