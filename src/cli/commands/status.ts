import { request } from 'node:http';
import type { CommandModule } from 'yargs';
import { DEFAULT_SOCKET } from '../../config/options.js';
import { formatCounts } from '../../daemon/counts-file.js';
import type { Status } from '../../daemon/status.js';
import { SystemError, UsageError } from '../../errors.js';
import { statusTable } from '../status-table.js';

const TIMEOUT_MS = 5000;
const WATCH_MS = 1000;
/** Home, and clear what is below: a redraw without a flicker (ECMA-48). */
const REDRAW = '\x1b[H\x1b[J';

interface StatusArguments {
  readonly socket: string | undefined;
  readonly json: boolean | undefined;
  readonly csv: boolean | undefined;
  readonly watch: boolean | undefined;
}

/** `status`: asks the running daemon. */
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
  handler: async ({ socket = process.env.WANMARK_SOCKET ?? DEFAULT_SOCKET, json, csv, watch }) => {
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
      process.stdout.write(clear + text);
      if (watch) await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    } while (watch && !ended);
  },
};

/** @throws SystemError in one line when nobody answers */
export function askStatus(socketPath: string): Promise<Status> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) =>
      reject(
        new SystemError(
          'NO_DAEMON',
          `no daemon answers on ${socketPath} (${reason}); start one with wanmark run, or say where it is with --socket`,
        ),
      );
    const call = request({ socketPath, path: '/status', timeout: TIMEOUT_MS }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => {
        try {
          resolve(JSON.parse(body) as Status);
        } catch {
          fail('what answers is no wanmark');
        }
      });
    });
    call.on('timeout', () => call.destroy(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)));
    call.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    call.end();
  });
}

function toJson(status: Status): string {
  return `${JSON.stringify(status)}\n`;
}

function toCsv(status: Status): string {
  return formatCounts(status.wans.map(({ mark, connections }) => [mark, connections ?? 0]));
}
