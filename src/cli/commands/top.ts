import type { CommandModule } from 'yargs';
import { DEFAULT_SOCKET } from '../../config/options/run.js';
import { UsageError } from '../../errors.js';
import { presetSocket, SOCKET } from '../options.js';
import { Top } from '../top/top.js';

/** The command `top`: how the uplinks do, live. */
export const topCommand: CommandModule<object, { readonly socket: string | undefined }> = {
  command: 'top',
  describe: 'Show how the uplinks do, live; keys drain one, set it down, list its connections',
  builder: (yargs) => yargs.option('socket', SOCKET),
  handler: async ({ socket = presetSocket().socket ?? DEFAULT_SOCKET }) => {
    if (!process.stdin.isTTY || !process.stdout.isTTY)
      throw new UsageError('top needs a terminal; use wanmark status --watch');
    await new Top(socket).run();
    // A question to the daemon that is on its way must not keep the shell waiting.
    process.exit();
  },
};
