import type { CommandModule } from 'yargs';
import { DEFAULT_SOCKET } from '../../config/options.js';
import { askDaemon } from '../../control/daemon-client.js';
import type { Status } from '../../control/status.js';
import { printableJson } from '../../core/printable.js';
import { formatCounts } from '../../daemon/counts-file.js';
import { UsageError } from '../../errors.js';
import { presetSocket } from '../options.js';
import { say } from '../say.js';
import { statusTable } from '../status-table.js';

const WATCH_MS = 1000;
/** Goes to the top left and clears the rest of the screen (ECMA-48), which redraws without a flicker. */
const REDRAW = '\x1b[H\x1b[J';

interface StatusArguments {
  readonly socket: string | undefined;
  readonly json: boolean | undefined;
  readonly csv: boolean | undefined;
  readonly watch: boolean | undefined;
}

/** The command `status`: asks the running daemon. */
export const statusCommand: CommandModule<object, StatusArguments> = {
  command: 'status',
  describe: 'Show what the running daemon knows',
  builder: (yargs) =>
    yargs
      .option('socket', {
        type: 'string',
        requiresArg: true,
        describe: 'Where the daemon answers (or $WANMARK_SOCKET)',
        defaultDescription: DEFAULT_SOCKET,
      })
      .option('json', { type: 'boolean', describe: 'One JSON object' })
      .option('csv', { type: 'boolean', describe: 'A line "connections, mark" for each WAN' })
      .option('watch', { type: 'boolean', describe: 'Show it again each second' }),
  handler: async ({ socket = presetSocket().socket ?? DEFAULT_SOCKET, json, csv, watch }) => {
    if (json && csv) throw new UsageError('--json and --csv exclude each other; give one');
    const show = json ? toJson : csv ? toCsv : statusTable;
    const clear = watch && process.stdout.isTTY && !json && !csv ? REDRAW : '';
    let ended = false;
    process.once('SIGINT', () => {
      ended = true;
      process.exit(0);
    });
    do {
      const text = show(await askStatus(socket));
      process.stdout.write(clear);
      say(text);
      if (watch) await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    } while (watch && !ended);
  },
};

/** Asks the daemon for its status. @throws SystemError in one line when nobody answers */
export async function askStatus(socketPath: string): Promise<Status> {
  return (await askDaemon<Status>(socketPath, '/status')).answer;
}

function toJson(status: Status): string {
  return `${printableJson(JSON.stringify(status))}\n`;
}

function toCsv(status: Status): string {
  return formatCounts(status.wans.map(({ mark, connections }) => [mark, connections ?? 0]));
}
