import type { CommandModule } from 'yargs';
import { readConfigFile } from '../../config/file.js';
import { DEFAULT_SOCKET } from '../../config/options/run.js';
import { askDaemon } from '../../control/daemon-client.js';
import type { ReloadAnswer } from '../../control/reload.js';
import { SystemError, UsageError, WanmarkError } from '../../errors.js';
import { presetSocket, SOCKET, valued } from '../options.js';
import { complain, say } from '../say.js';

/** How long to wait for the daemon, which answers only after the rules have followed. */
const TIMEOUT_MS = 60_000;
/** The exit codes of a dry run, as diff(1) has them. */
const [SAME, DIFFERENT, TROUBLE] = [0, 1, 2];

interface ReloadArguments {
  readonly 'dry-run': boolean | undefined;
  readonly config: string | undefined;
  readonly socket: string | undefined;
}

/** The command `reload`: makes the running daemon read its configuration again. */
export const reloadCommand: CommandModule<object, ReloadArguments> = {
  command: 'reload',
  describe: 'Make the running daemon, and the rules, go over to what its configuration file says now',
  builder: (yargs) =>
    yargs
      .option('dry-run', {
        type: 'boolean',
        describe: 'Only say what would change; exit code 1 if something would, 2 if it would be refused',
      })
      .option(
        'config',
        valued('FILE', {
          describe:
            "The daemon's file, for where it answers; the daemon reads the one that it was started with",
        }),
      )
      .option('socket', SOCKET),
  handler: async ({ 'dry-run': dryRun = false, config, socket }) => {
    try {
      const lines = await reload(socket ?? (await socketOf(config)), dryRun);
      say(lines.length === 0 ? 'the configuration is the same\n' : lines.map((line) => `${line}\n`).join(''));
      if (dryRun) process.exitCode = lines.length === 0 ? SAME : DIFFERENT;
    } catch (error) {
      if (!dryRun || !(error instanceof WanmarkError)) throw error;
      complain(error.message);
      process.exitCode = TROUBLE;
    }
  },
};

async function socketOf(file: string | undefined): Promise<string> {
  const { socket } = { ...presetSocket(), ...(file === undefined ? {} : await readConfigFile(file)) };
  return typeof socket === 'string' ? socket : DEFAULT_SOCKET;
}

/** @returns what changed or would change @throws UsageError, SystemError */
async function reload(socket: string, dryRun: boolean): Promise<readonly string[]> {
  const { status, answer } = await askDaemon<ReloadAnswer>(socket, '/reload', { dryRun }, TIMEOUT_MS);
  if (status === 200 && answer.lines !== undefined) {
    for (const doubt of answer.doubts ?? []) complain(`warning: ${doubt}`);
    return answer.lines;
  }
  const complaint = answer.error ?? `the daemon answered ${status}; is it of the same version?`;
  if (status >= 400 && status < 500) throw new UsageError(complaint);
  throw new SystemError('NOT_RELOADED', complaint);
}
