/**
 * Measures what clients notice of a WAN's death, and of its return: how long until it is avoided, the slowest connect,
 * and how long until it is used again.
 *
 * Prints a Markdown table. Clients send a SYN again after 1, 3 and 7 s; the first of these goes by another WAN.
 */
import type { LoadReport } from '#wanmark/lab/agent/protocol.js';
import { Lab, SERVER_PORT } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { type Daemon, Wanmark } from '#wanmark/lab/wanmark.js';
import { launch, options, positive } from './main.js';

const USAGE = `npm run bench:failover -- [OPTION...]: what clients notice of the death of a WAN, in the real lab

  --only TEXT  the cases whose name contains it
  --runs N     how often each case is run (3)
  --rate N     new connections a second, instead of 1, 5 and 100
  --small      each case once
`;

const flags = options(
  {
    small: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    rate: { type: 'string' },
    only: { type: 'string', default: '' },
  },
  USAGE,
);
const RUNS = flags.small ? 1 : positive('runs', flags.runs);
/** New connections a second: those of a household, of an office, and of many. */
const RATES = flags.rate === undefined ? [1, 5, 100] : [positive('rate', flags.rate)];
const FAST = RATES.at(-1)!;
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
  readonly revive: (lab: Lab) => Promise<unknown>;
  readonly rates: readonly number[];
}

const swallow = (rules: string) => (lab: Lab) => lab.host('gw2').exec(['iptables-restore'], { input: rules });
const carrier = (state: string) => (lab: Lab) => lab.host('gw2').sh(`ip link set up0 ${state}`);
const revive = swallow('*filter\nCOMMIT\n');
const pings = (keys: string) => ({ run: ['--check', `${PING}${keys}`], revive, rates: [FAST] });
const CASES: readonly Case[] = [
  { what: 'carrier lost', run: [], die: carrier('down'), revive: carrier('up'), rates: [FAST] },
  { what: 'black hole, no check', run: [], die: swallow(DROP), revive, rates: RATES },
  { what: 'black hole, `ping` (interval 2, fall 3)', die: swallow(DROP), ...pings(''), rates: RATES },
  { what: 'only pings lost, `ping` (interval 2, fall 3)', die: swallow(DROP_PING), ...pings('') },
  { what: 'only pings lost, `ping,interval=0.5`', die: swallow(DROP_PING), ...pings(',interval=0.5') },
  {
    what: 'only pings lost, `ping,interval=0.5,timeout=0.5`',
    die: swallow(DROP_PING),
    ...pings(',interval=0.5,timeout=0.5'),
  },
];

interface Result {
  /** From the death until no new connection is given to the WAN. */
  readonly avoidedMs: number;
  /** From its return until it gets its share again. */
  readonly backMs: number;
  readonly reason: string;
  readonly report: LoadReport;
}

interface Line {
  readonly msg: string;
  readonly time: string;
  readonly reason: string;
}

/** The next line of the daemon's log, from `from` on, about what it thinks of a WAN. */
async function wanLine(daemon: Daemon, msg: RegExp, from: number): Promise<Line> {
  const found = () =>
    daemon.program.lines
      .filter((line) => line.includes('"msg":"wan '))
      .map((line) => JSON.parse(line) as Line)
      .find((line) => msg.test(line.msg) && Date.parse(line.time) >= from);
  await daemon.program.waitForLine(() => found() !== undefined);
  return found()!;
}

async function load(lab: Lab, rate: number): Promise<void> {
  await lab.client.sh('f=/proc/sys/net/ipv4/tcp_syn_linear_timeouts; ! [ -e $f ] || echo 0 >$f');
  await lab.client.agent.request({
    op: 'load',
    family: 4,
    to: SERVER[4],
    port: SERVER_PORT,
    rate,
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

async function once({ run, die, revive: back }: Case, rate: number): Promise<Result> {
  const lab = await Lab.start({ wans: 3, ipv6: false, clientAddresses: 4 });
  try {
    const wanmark = new Wanmark(lab);
    await wanmark.up();
    const daemon = await wanmark.run(...run);
    await load(lab, rate);
    // Enough for the daemon to know what is usual, and for a first round of checks.
    await more(lab, Math.max(15, 5 * rate));
    const died = Date.now();
    await die(lab);
    const { time, reason } = await wanLine(daemon, /^wan (down|suspected)$/, died);
    await more(lab, Math.max(15, 5 * rate));
    const revived = Date.now();
    await back(lab);
    const returned = await wanLine(daemon, /^wan (up|not suspected any more)$/, revived);
    await more(lab, Math.max(15, 5 * rate));
    const report = await lab.client.agent.request<LoadReport>({ op: 'loadEnd' });
    await daemon.stop();
    return {
      avoidedMs: Date.parse(time) - died,
      backMs: Date.parse(returned.time) - revived,
      reason,
      report,
    };
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
  print(`One of three WANs dies, and is back later, --up-after 0; ${RUNS} runs each, seconds.\n`);
  print(
    '| death | new connections/s | avoided after | slowest connect | connects above 0.5 s | failed | broken | used again after |',
  );
  print('|---|---|---|---|---|---|---|---|');
  const chosen = CASES.filter(({ what }) => what.includes(flags.only));
  for (const one of chosen) for (const rate of one.rates) await measure(one, rate);
});

async function measure(one: Case, rate: number): Promise<void> {
  const results: Result[] = [];
  for (let i = 0; i < RUNS; i++) results.push(await once(one, rate));
  const cells = [
    one.what,
    rate,
    each(results, ({ avoidedMs }) => seconds(avoidedMs)),
    each(results, ({ report }) => seconds(report.slowestConnectMs)),
    each(results, ({ report }) => `${report.slowConnects} of ${report.done}`),
    each(results, ({ report }) => total(report.failed)),
    each(results, ({ report }) => total(report.broken)),
    each(results, ({ backMs }) => seconds(backMs)),
  ];
  print(`| ${cells.join(' | ')} |`);
  for (const { reason } of results) process.stderr.write(`  ${one.what}: ${reason}\n`);
}
