import { uptime } from 'node:os';
import type { CommandModule } from 'yargs';
import { matchText } from '../../config/match/match.js';
import { DEFAULT_SOCKET } from '../../config/options/run.js';
import {
  type ConnectionsV1,
  DEFAULT_CONNECTIONS,
  MOST_CONNECTIONS,
  parseConnectionQuery,
} from '../../control/connections.js';
import { askDaemon } from '../../control/daemon-client.js';
import type { KernelStatus, Status, WanStatus } from '../../control/status.js';
import { printableJson } from '../../core/printable.js';
import { formatCounts } from '../../daemon/counts-file.js';
import { SystemError, UsageError } from '../../errors.js';
import { checkQuery, listConnections, listedConfig } from '../../system/connection-list.js';
import { installedConfig, readInstalled, rulesAreUp } from '../../system/installed.js';
import { needNetAdmin } from '../../system/privilege.js';
import { readRuleCounts } from '../../system/rule-counters.js';
import { connectionLines } from '../connections-text.js';
import { presetSocket, SOCKET, valued } from '../options.js';
import { outputWidth, printLines } from '../print-lines.js';
import { rulesTable } from '../rules-table.js';
import { complain, say } from '../say.js';
import type { Line } from '../screen/line.js';
import { kernelLines, statusLines } from '../status-text.js';

const WATCH_MS = 1000;
/** Others may have asked for large tables before. */
const CONNECTIONS_MS = 30_000;
/** Goes to the top left and clears the rest of the screen (ECMA-48), which redraws without a flicker. */
const REDRAW = '\x1b[H\x1b[J';

interface StatusArguments {
  readonly what: string | undefined;
  readonly socket: string | undefined;
  readonly json: boolean | undefined;
  readonly csv: boolean | undefined;
  readonly watch: boolean | undefined;
  readonly wan: string | undefined;
  readonly client: string | undefined;
  readonly policy: string | undefined;
  readonly limit: string | undefined;
}

/** The command `status`: asks the running daemon, or the kernel where none runs. */
export const statusCommand: CommandModule<object, StatusArguments> = {
  command: 'status [what]',
  describe: 'Show how the uplinks do; rules: what each --rule took; connections: the live ones',
  builder: (yargs) =>
    yargs
      .positional('what', {
        type: 'string',
        choices: ['rules', 'connections'] as const,
        describe: 'rules: what each rule took; connections: the live ones, the newest first',
      })
      .option('socket', SOCKET)
      .option('json', { type: 'boolean', describe: 'One JSON object' })
      .option('csv', { type: 'boolean', describe: 'A line "connections, mark" for each WAN' })
      .option('watch', { type: 'boolean', describe: 'Show it again each second' })
      .option('wan', valued('NAME', { describe: 'connections: only those of this WAN' }))
      .option(
        'client',
        valued('NET', {
          describe: 'connections: only those of this address or network',
        }),
      )
      .option(
        'policy',
        valued('NAME', {
          describe: 'connections: only those of this policy',
        }),
      )
      .option(
        'limit',
        valued('N', {
          describe: `connections: how many at most, up to ${MOST_CONNECTIONS}`,
          defaultDescription: String(DEFAULT_CONNECTIONS),
        }),
      ),
  handler: async (given) => {
    checkArguments(given);
    const { what, json, csv, watch } = given;
    const look = () => (what === 'rules' ? rulesText(json === true) : statusOutput(given));
    const clear = watch && process.stdout.isTTY && !json && !csv ? REDRAW : '';
    // Ctrl-C is how somebody stops watching, which is no failure.
    if (watch) process.once('SIGINT', () => process.exit(0));
    do {
      const output = await look();
      process.stdout.write(clear);
      if (typeof output === 'string') say(output);
      else printLines(output);
      if (watch) await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    } while (watch);
  },
};

/** @throws UsageError */
function checkArguments({ what, json, csv, wan, client, policy, limit }: StatusArguments): void {
  if (what !== undefined && csv) throw new UsageError(`status ${what} has no --csv; use --json`);
  if (json && csv) throw new UsageError('--json and --csv exclude each other; give one');
  if (what === 'connections') return;
  const [name] =
    Object.entries({ wan, client, policy, limit }).find(([, value]) => value !== undefined) ?? [];
  if (name !== undefined) throw new UsageError(`--${name} goes with status connections; leave it out`);
}

async function statusOutput(given: StatusArguments): Promise<string | readonly Line[]> {
  const { what, json, csv } = given;
  const width = outputWidth();
  if (what === 'connections') {
    const list = await askConnections(given);
    return json ? toJson(list) : connectionLines(list, Date.now());
  }
  const status = await askStatus(given.socket);
  if (json) return toJson(status);
  if (csv) return toCsv(status.wans);
  return status.pid === null ? kernelLines(status, width) : statusLines(status, width);
}

/**
 * Asks the daemon, or where none answers and nobody said where one should be, the kernel.
 * @throws SystemError in one line
 */
async function askStatus(socket: string | undefined): Promise<Status | KernelStatus> {
  return orWithoutDaemon<Status | KernelStatus>(
    socket,
    async (path) => (await askDaemon<Status>(path, '/status')).answer,
    async () =>
      (await import('../kernel-status.js')).readKernelStatus(presetSocket().socket ?? DEFAULT_SOCKET),
  );
}

/** @throws UsageError, SystemError */
async function askConnections({
  wan,
  client,
  policy,
  limit,
  socket,
}: StatusArguments): Promise<ConnectionsV1> {
  const given = Object.entries({ wan, client, policy, limit: limit?.toString() }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as [string, string]],
  );
  const parameters = new URLSearchParams(given);
  const query = parseConnectionQuery(parameters);
  return orWithoutDaemon(
    socket,
    async (path) => {
      const asked = await askDaemon<ConnectionsV1 & { error?: string }>(
        path,
        `/v1/connections?${parameters}`,
        undefined,
        CONNECTIONS_MS,
      );
      if (asked.status === 400) throw new UsageError(asked.answer.error ?? 'the daemon takes it for wrong');
      if (asked.status !== 200)
        throw new SystemError('CONNTRACK', asked.answer.error ?? 'the daemon is of another version');
      return asked.answer;
    },
    async () => {
      const installed = rulesAreUp() ? readInstalled() : undefined;
      if (installed === undefined) return undefined;
      needNetAdmin();
      const config = installedConfig(installed);
      checkQuery(config, query);
      return { api: 1, ...listConnections(listedConfig(config), query) };
    },
  );
}

/** @param without what to say without a daemon; undefined where there is nothing to say */
async function orWithoutDaemon<T>(
  socket: string | undefined,
  ask: (path: string) => Promise<T>,
  without: () => Promise<T | undefined>,
): Promise<T> {
  const preset = socket ?? presetSocket().socket;
  try {
    return await ask(preset ?? DEFAULT_SOCKET);
  } catch (error) {
    // With --socket one certain daemon is asked for, and the kernel's answer would not be about it.
    const code = error instanceof SystemError && socket === undefined ? error.code : undefined;
    const found = code === 'NO_DAEMON' || code === 'NO_ANSWER' ? await without() : undefined;
    if (found === undefined) throw error;
    // A daemon that hangs must not look like one that was stopped.
    if (code === 'NO_ANSWER') {
      complain((error as SystemError).message);
      process.exitCode = 1;
    }
    return found;
  }
}

/** What each rule took, which the kernel counts, with the daemon and without it. @throws SystemError */
async function rulesText(json: boolean): Promise<string> {
  const installed = readInstalled();
  if (installed === undefined || !rulesAreUp())
    throw new SystemError('NOT_UP', "the rules are not up; run 'wanmark up' first");
  needNetAdmin();
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

function toJson(status: object): string {
  return `${printableJson(JSON.stringify(status))}\n`;
}

function toCsv(wans: readonly Pick<WanStatus, 'mark' | 'connections'>[]): string {
  return formatCounts(wans.map(({ mark, connections }) => [mark, connections ?? 0]));
}
