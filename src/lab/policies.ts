import { FAMILIES } from '../core/family.js';
import type { Proto } from './agent/protocol.js';
import type { ExperimentEvents } from './experiment.js';
import { type Lab, type LabFlow, SERVER_PORT } from './lab.js';
import type { NetworkOptions } from './network.js';
import { type Daemon, Wanmark } from './wanmark.js';

/** The network in which policies are tried. */
export const POLICY_NETWORK: NetworkOptions = { wans: 3, clientAddresses: 6 };
/** Connections of each kind come in whole rounds of any policy in any state, in each family. */
export const POLICY_ROUND = 24;

/** The WAN that goes down. */
const LOST = 'wan2';
const WEB = 443;
const VOICE = 5060;
/** How long a connection that is refused may take to hear of it. */
const TIMEOUT_MS = 5_000;

/** The states in which every rule must hold. The daemon is killed first, and another one sees the WAN go. */
export const SITUATIONS = ['with the daemon', 'without it', `${LOST} down`] as const;
type Situation = (typeof SITUATIONS)[number];

/** What somebody does on the LAN, and where the rules send it. */
interface Kind {
  /** What a person reads. */
  readonly what: string;
  readonly policy: string;
  readonly proto: Proto;
  readonly port: number;
  /** Which of the client's addresses the connections come from. */
  readonly from: (addresses: readonly string[]) => readonly string[];
  /** The parts of each WAN; without any the connections are refused. */
  readonly parts: Readonly<Record<string, number>>;
  /** The same while {@link LOST} is down. */
  readonly partsThen: Readonly<Record<string, number>>;
}

const others = (addresses: readonly string[]) => addresses.slice(3);
const host = (i: number) => (addresses: readonly string[]) => addresses.slice(i, i + 1);

const KINDS: readonly Kind[] = [
  {
    what: 'host 1, by wan3 only',
    policy: 'wan3',
    proto: 'tcp',
    port: SERVER_PORT,
    from: host(0),
    parts: { wan3: 1 },
    partsThen: { wan3: 1 },
  },
  {
    what: `host 2, by ${LOST} only`,
    policy: LOST,
    proto: 'tcp',
    port: SERVER_PORT,
    from: host(1),
    parts: { [LOST]: 1 },
    partsThen: {},
  },
  {
    what: 'host 3, balanced by nobody',
    policy: 'direct',
    proto: 'tcp',
    port: SERVER_PORT,
    from: host(2),
    // The main table's default route is that of the first WAN.
    parts: { wan1: 1 },
    partsThen: { wan1: 1 },
  },
  {
    what: `UDP ${VOICE}, ${LOST} before wan3`,
    policy: 'voice',
    proto: 'udp',
    port: VOICE,
    from: others,
    parts: { [LOST]: 1 },
    partsThen: { wan3: 1 },
  },
  {
    what: `TCP ${WEB}, wan1 and ${LOST} 3:1`,
    policy: 'web',
    proto: 'tcp',
    port: WEB,
    from: others,
    parts: { wan1: 3, [LOST]: 1 },
    partsThen: { wan1: 1 },
  },
  {
    what: 'anything else, by all',
    policy: 'default',
    proto: 'tcp',
    port: SERVER_PORT,
    from: others,
    parts: { wan1: 1, [LOST]: 1, wan3: 1 },
    partsThen: { wan1: 1, wan3: 1 },
  },
];

/** The flags of the policies and rules. */
function flags(lab: Lab): string[] {
  const policies = [
    `voice,use=${LOST}+wan3:tier=2,none=unreachable`,
    `web,use=wan1:weight=3+${LOST},none=default`,
  ];
  const hosts = FAMILIES.flatMap((family) => {
    const addresses = lab.client.addresses[family];
    return KINDS.flatMap(({ policy, from }) =>
      from === others ? [] : [`${policy},from=${from(addresses).join('+')}`],
    );
  });
  const services = [`voice,proto=udp,dport=${VOICE}`, `web,proto=tcp,dport=${WEB}`];
  return [
    ...policies.flatMap((policy) => ['--policy', policy]),
    ...[...hosts, ...services].flatMap((rule) => ['--rule', rule]),
  ];
}

/** What became of the connections of one kind in one situation. */
export interface PolicyResult {
  readonly situation: Situation;
  readonly kind: string;
  readonly policy: string;
  readonly connections: number;
  /** Connections that the server saw by each WAN that it saw any by, and those that nobody saw as `refused`. */
  readonly seen: Readonly<Record<string, number>>;
  readonly expected: Readonly<Record<string, number>>;
  readonly agree: boolean;
}

/** The report, as `wanmark lab --policies --json` prints it. Fields may be added, not renamed. */
export interface PolicyReport {
  readonly connections: number;
  readonly results: readonly PolicyResult[];
  readonly seconds: number;
  readonly agree: boolean;
}

/**
 * Drives connections through policies with the daemon, without it, and with a WAN down, and compares what the server saw.
 * @param count connections of each kind, a multiple of {@link POLICY_ROUND}; half of them IPv4
 */
export async function policyExperiment(
  lab: Lab,
  count: number,
  events: ExperimentEvents,
): Promise<PolicyReport> {
  const started = performance.now();
  const wanmark = new Wanmark(lab);
  const given = flags(lab);
  await Promise.all([VOICE, WEB].map((port) => lab.server.serve(port)));
  const total = SITUATIONS.length * KINDS.length * count;
  const results: PolicyResult[] = [];
  const drive = async (situation: Situation) => {
    events.step(situation);
    for (const kind of KINDS) {
      results.push(await driveKind(lab, kind, situation, count));
      events.progress(results.length * count, total);
    }
  };
  const run = () => wanmark.run(...given, '--strategy', 'weighted');

  events.step('wanmark up');
  // In turn, the kernel's own choice can be counted, too.
  await wanmark.up(...given, '--kernel-mode', 'nth');
  const daemon = await run();
  await drive('with the daemon');
  await daemon.crash();
  await drive('without it');
  const next = await run();
  await lab.gateway(lab.wans.find(({ name }) => name === LOST)!).sh('ip link set up0 down');
  await isDown(next);
  await drive(`${LOST} down`);
  await next.stop();
  events.step('wanmark down');
  await wanmark.down();
  return {
    connections: total,
    results,
    seconds: Math.round(performance.now() - started) / 1000,
    agree: results.every(({ agree }) => agree),
  };
}

/** Waits until the daemon has said that the WAN is down in both families. */
async function isDown(daemon: Daemon): Promise<void> {
  for (const family of FAMILIES) {
    await daemon.program.waitForLine(
      (line) => line.includes('"msg":"wan down"') && line.includes(`"family":${family}`),
    );
  }
}

async function driveKind(lab: Lab, kind: Kind, situation: Situation, count: number): Promise<PolicyResult> {
  const { what, policy, proto, port } = kind;
  const parts = situation === `${LOST} down` ? kind.partsThen : kind.parts;
  const flows: LabFlow[] = [];
  for (const family of FAMILIES) {
    const sources = kind.from(lab.client.addresses[family]);
    flows.push(
      ...(await lab.connect({ proto, port, family, sources, count: count / 2, timeoutMs: TIMEOUT_MS })),
    );
  }
  const seen = tally(flows);
  const expected = expectedOf(parts, count);
  const names = new Set([...Object.keys(seen), ...Object.keys(expected)]);
  const agree = [...names].every((name) => (seen[name] ?? 0) === (expected[name] ?? 0));
  return { situation, kind: what, policy, connections: count, seen, expected, agree };
}

function tally(flows: readonly LabFlow[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { wan, error } of flows) {
    const name = wan ?? (error === undefined ? 'no WAN' : 'refused');
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function expectedOf(parts: Readonly<Record<string, number>>, count: number): Record<string, number> {
  const all = Object.values(parts).reduce((sum, part) => sum + part, 0);
  if (all === 0) return { refused: count };
  return Object.fromEntries(Object.entries(parts).map(([wan, part]) => [wan, (part * count) / all]));
}
