/**
 * Measures what clients notice of a WAN's death: how long until the WAN is left out, and the slowest connect.
 *
 * `npm run bench:failover -- [--small] [--runs N] [--rate N]` runs the real lab and prints a Markdown table. Clients
 * send a SYN again after 1, 3 and 7 s, so the unluckiest waits 1 s if the WAN is left out within 1 s, else 3 s.
 */
import type { LoadReport } from '#wanmark/lab/agent/protocol.js';
import { Lab, SERVER_PORT } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { type Daemon, Wanmark } from '#wanmark/lab/wanmark.js';
import { launch, options, positive } from './main.js';

const flags = options({
  small: { type: 'boolean', default: false },
  runs: { type: 'string', default: '3' },
  rate: { type: 'string', default: '100' },
});
const RUNS = flags.small ? 1 : positive('runs', flags.runs);
const RATE = positive('rate', flags.rate);
const print = (line: string) => process.stdout.write(`${line}\n`);
/** Time limit of a connection, longer than all the SYNs that a WAN's death costs. */
const TIMEOUT_MS = 60_000;

const PING = `all=ping,to=${SERVER[4]}`;
const DROP = '*filter\n-A FORWARD -j DROP\nCOMMIT\n';
/** Loses only pings, which nothing but the checks can notice: TCP is still answered. */
const DROP_PING = '*filter\n-A FORWARD -p icmp -j DROP\nCOMMIT\n';

interface Case {
  readonly what: string;
  readonly run: readonly string[];
  readonly die: (lab: Lab) => Promise<unknown>;
}

const swallow = (rules: string) => (lab: Lab) => lab.host('gw2').exec(['iptables-restore'], { input: rules });
const CASES: readonly Case[] = [
  { what: 'carrier lost', run: [], die: (lab) => lab.host('gw2').sh('ip link set up0 down') },
  { what: 'black hole, no check', run: [], die: swallow(DROP) },
  { what: 'black hole, `ping` (interval 2, fall 3)', run: ['--check', PING], die: swallow(DROP) },
  { what: 'black hole, `ping,interval=0.5`', run: ['--check', `${PING},interval=0.5`], die: swallow(DROP) },
  { what: 'only pings lost, `ping` (interval 2, fall 3)', run: ['--check', PING], die: swallow(DROP_PING) },
  {
    what: 'only pings lost, `ping,interval=0.5`',
    run: ['--check', `${PING},interval=0.5`],
    die: swallow(DROP_PING),
  },
  {
    what: 'only pings lost, `ping,interval=0.5,timeout=0.5`',
    run: ['--check', `${PING},interval=0.5,timeout=0.5`],
    die: swallow(DROP_PING),
  },
];

interface Result {
  readonly noticedMs: number;
  readonly reason: string;
  readonly report: LoadReport;
}

async function wanDown(daemon: Daemon): Promise<{ since: string; reason: string }> {
  const line = await daemon.program.waitForLine(/"msg":"wan down"/);
  return JSON.parse(line) as { since: string; reason: string };
}

async function load(lab: Lab): Promise<void> {
  await lab.client.sh('f=/proc/sys/net/ipv4/tcp_syn_linear_timeouts; ! [ -e $f ] || echo 0 >$f');
  await lab.client.agent.request({
    op: 'load',
    family: 4,
    to: SERVER[4],
    port: SERVER_PORT,
    rate: RATE,
    from: lab.sourcesOf(lab.client, 4),
    timeoutMs: TIMEOUT_MS,
  });
}

/** Polls until `count` more connections are done. */
async function more(lab: Lab, count: number): Promise<void> {
  const soFar = () => lab.client.agent.request<LoadReport>({ op: 'loadSoFar' });
  const { done } = await soFar();
  while ((await soFar()).done < done + count) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function once({ run, die }: Case): Promise<Result> {
  const lab = await Lab.start({ wans: 3, ipv6: false, clientAddresses: 4 });
  try {
    const wanmark = new Wanmark(lab);
    await wanmark.up();
    const daemon = await wanmark.run(...run);
    await load(lab);
    // Five seconds are enough for the daemon to know what is usual, and for a first round of checks.
    await more(lab, 5 * RATE);
    const died = Date.now();
    await die(lab);
    const { since, reason } = await wanDown(daemon);
    await more(lab, RATE);
    const report = await lab.client.agent.request<LoadReport>({ op: 'loadEnd' });
    await daemon.stop();
    return { noticedMs: Date.parse(since) - died, reason, report };
  } finally {
    await lab.stop();
  }
}

const seconds = (ms: number) => (ms / 1000).toFixed(ms < 100 ? 3 : 2);
const total = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);
const each = (results: readonly Result[], of: (result: Result) => string | number) =>
  results.map(of).join(' / ');

launch(async () => {
  print(`One of three WANs dies under ${RATE} new connections a second; ${RUNS} runs each, seconds.\n`);
  print('| death | left out after | slowest connect | connects above 0.5 s | failed | broken |');
  print('|---|---|---|---|---|---|');
  for (const one of CASES) {
    const results: Result[] = [];
    for (let i = 0; i < RUNS; i++) results.push(await once(one));
    const cells = [
      one.what,
      each(results, ({ noticedMs }) => seconds(noticedMs)),
      each(results, ({ report }) => seconds(report.slowestConnectMs)),
      each(results, ({ report }) => `${report.slowConnects} of ${report.done}`),
      each(results, ({ report }) => total(report.failed)),
      each(results, ({ report }) => total(report.broken)),
    ];
    print(`| ${cells.join(' | ')} |`);
    for (const { reason } of results) process.stderr.write(`  ${one.what}: ${reason}\n`);
  }
});
