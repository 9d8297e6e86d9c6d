import type { CommandModule } from 'yargs';
import { changeOfWords } from '../../config/change.js';
import { DEFAULT_SOCKET } from '../../config/options/run.js';
import type { SetAnswer } from '../../control/answers.js';
import { askDaemon } from '../../control/daemon-client.js';
import { SystemError, UsageError } from '../../errors.js';
import { presetSocket, SOCKET } from '../options.js';
import { say } from '../say.js';

/** How long to wait for the daemon, which answers only after the rules have followed. */
const TIMEOUT_MS = 60_000;

interface SetArguments {
  readonly wan: string | undefined;
  readonly settings: readonly string[] | undefined;
  readonly socket: string | undefined;
}

/** The command `set`: changes a WAN, a backend or a service of the running daemon. */
export const setCommand: CommandModule<object, SetArguments> = {
  command: 'set [wan] [settings..]',
  describe: 'Change a WAN, backend or service of the running daemon: weight=N|auto, state=down|auto',
  builder: (yargs) =>
    yargs
      .positional('wan', {
        type: 'string',
        describe:
          'Its name; a backend has SERVICE/TO, as web/10.0.0.2:8080, and SERVICE means all of its backends [NAME]',
      })
      .positional('settings', {
        type: 'string',
        array: true,
        describe:
          'What changes; weight=0 drains, and auto is as configured [weight=N|weight=auto|state=down|state=auto]',
      })
      .option('socket', SOCKET),
  handler: async ({ wan, settings = [], socket = presetSocket().socket ?? DEFAULT_SOCKET }) => {
    if (wan === undefined || wan.includes('=')) {
      throw new UsageError(
        'set needs the name of a WAN or backend first, for example wanmark set fibre weight=0',
      );
    }
    const { status, answer } = await askDaemon<SetAnswer>(
      socket,
      '/set',
      changeOfWords(wan, settings),
      TIMEOUT_MS,
    );
    if (status === 200 && answer.said !== undefined) {
      say(`${answer.said}\n`);
      return;
    }
    const complaint = answer.error ?? `the daemon answered ${status}; is it of the same version?`;
    if (status >= 400 && status < 500) throw new UsageError(complaint);
    throw new SystemError('NOT_SET', complaint);
  },
};
