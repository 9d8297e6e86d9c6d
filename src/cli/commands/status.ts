import { uptime } from 'node:os';
import type { CommandModule } from 'yargs';
import { matchText } from '../../config/match/match.js';
import { DEFAULT_SOCKET } from '../../config/options.js';
import { askDaemon } from '../../control/daemon-client.js';
import type { Status } from '../../control/status.js';
import { printableJson } from '../../core/printable.js';
import { formatCounts } from '../../daemon/counts-file.js';
import { SystemError, UsageError } from '../../errors.js';
import { installedConfig, readInstalled, rulesAreUp } from '../../system/installed.js';
import { readRuleCounts } from '../../system/rule-counters.js';
import { presetSocket } from '../options.js';
import { say } from '../say.js';
import { rulesTable, statusTable } from '../status-table.js';

const WATCH_MS = 1000;
/** Goes to the top left and clears the rest of the screen (ECMA-48), which redraws without a flicker. */
const REDRAW = '\x1b[H\x1b[J';

interface StatusArguments {
  readonly what: string | undefined;
  readonly socket: string | undefined;
  readonly json: boolean | undefined;
  readonly csv: boolean | undefined;
  readonly watch: boolean | undefined;
}

/** The command `status`: asks the running daemon. */
export const statusCommand: CommandModule<object, StatusArguments> = {
  command: 'status [what]',
  describe: 'Show what the running daemon knows; rules: what each --rule took',
  builder: (yargs) =>
    yargs
      .positional('what', {
        type: 'string',
        choices: ['rules'] as const,
        describe: 'rules: what each rule took',
      })
      .option('socket', {
        type: 'string',
        requiresArg: true,
        describe: 'Where the daemon answers (or $WANMARK_SOCKET)',
        defaultDescription: DEFAULT_SOCKET,
      })
      .option('json', { type: 'boolean', describe: 'One JSON object' })
      .option('csv', { type: 'boolean', describe: 'A line "connections, mark" for each WAN' })
      .option('watch', { type: 'boolean', describe: 'Show it again each second' }),
  handler: async ({ what, socket = presetSocket().socket ?? DEFAULT_SOCKET, json, csv, watch }) => {
    if (what === 'rules' && csv) throw new UsageError('status rules has no --csv; use --json');
    if (json && csv) throw new UsageError('--json and --csv exclude each other; give one');
    const show = json ? toJson : csv ? toCsv : statusTable;
    const clear = watch && process.stdout.isTTY && !json && !csv ? REDRAW : '';
    let ended = false;
    process.once('SIGINT', () => {
      ended = true;
      process.exit(0);
    });
    do {
      const text = what === 'rules' ? await rulesText(json === true) : show(await askStatus(socket));
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

/** What each rule took, which the kernel counts, with the daemon and without it. @throws SystemError */
async function rulesText(json: boolean): Promise<string> {
  const installed = readInstalled();
  if (installed === undefined || !rulesAreUp())
    throw new SystemError('NOT_UP', "the rules are not up; run 'wanmark up' first");
  const config = installedConfig(installed);
  const counts = await readRuleCounts(config, installed);
  const startMs = Date.now() - uptime() * 1000;
  const rules = config.policies.rules.map((rule, i) => {
    const { since, ...amounts } = counts[i]!;
    return {
      rule: i + 1,
      policy: rule.policy,
      match: matchText(rule.match).join(','),
      ...amounts,
      since: since === null ? null : new Date(startMs + since * 1000).toISOString(),
    };
  });
  if (json) return `${printableJson(JSON.stringify(rules))}\n`;
  return `${rulesTable(rules)}\n`;
}

function toJson(status: Status): string {
  return `${printableJson(JSON.stringify(status))}\n`;
}

function toCsv(status: Status): string {
  return formatCounts(status.wans.map(({ mark, connections }) => [mark, connections ?? 0]));
}
