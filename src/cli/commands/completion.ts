import type { CommandModule } from 'yargs';
import { suggestion } from '../../config/nearest.js';
import { UsageError } from '../../errors.js';
import type { DescribedCommand } from '../descriptions.js';

/** The shells, and what makes the completion of each. */
const SHELLS: Readonly<Record<string, () => Promise<(commands: readonly DescribedCommand[]) => string>>> = {
  bash: async () => (await import('../completion/bash.js')).bashCompletion,
  zsh: async () => (await import('../completion/zsh.js')).zshCompletion,
  fish: async () => (await import('../completion/fish.js')).fishCompletion,
};

/** The command `completion`: a script by which a shell completes our commands, without running us. */
export const completionCommand: CommandModule<object, { readonly shell: string | undefined }> = {
  command: 'completion [shell]',
  describe: 'Print a script by which a shell completes commands, options and values',
  builder: (yargs) =>
    yargs.positional('shell', { type: 'string', describe: 'Whose script it is [bash|zsh|fish]' }),
  handler: async ({ shell }) => {
    if (shell === undefined)
      throw new UsageError('completion needs the name of a shell: wanmark completion bash|zsh|fish');
    if (!Object.hasOwn(SHELLS, shell))
      throw new UsageError(`unknown shell "${shell}"${suggestion(shell, Object.keys(SHELLS))}`);
    const [make, { describeCommands }] = await Promise.all([SHELLS[shell]!(), import('../descriptions.js')]);
    process.stdout.write(make(await describeCommands()));
  },
};
