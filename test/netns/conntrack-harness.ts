// Makes connections of every kind in a namespace that has only lo, and reads what conntrack(8) lists.
//
// The destination port stands for the mark: a rule gives connections to port 6000 + n the mark 0xab00 | n, so 0xff is
// the counted mask and 0xab00 are somebody else's bits.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import type { ConntrackCounter } from '#wanmark/conntrack/counter.js';
import { program } from '../helpers/requires.js';
import { type Family, LOCAL, rule } from './queue-harness.js';

export const conntrackTool = program('conntrack');
export const MARKS = [1, 2, 3] as const;
export const FAMILIES = [4, 6] as const;
export const portOf = (mark: number) => 6000 + mark;
const FOREIGN = 0xab00;

const run = promisify(execFile);

/** Installs the rules that track and mark. IPv6 gets a prefix on lo, like IPv4's 127/8. @param udpTimeout in seconds */
export function installMarks(udpTimeout = 30): void {
  execFileSync('ip', ['-6', 'route', 'add', 'local', '2001:db8::/64', 'dev', 'lo']);
  for (const family of FAMILIES) {
    for (const mark of MARKS) {
      for (const proto of ['tcp', 'udp']) {
        const match = `-t mangle -A OUTPUT -p ${proto} --dport ${portOf(mark)} -m conntrack --ctstate NEW`;
        rule(family, `${match} -j CONNMARK --set-mark ${FOREIGN | mark}`);
      }
    }
  }
  // The first rule with -m conntrack loads the module on a machine that has not needed it yet.
  writeFileSync('/proc/sys/net/netfilter/nf_conntrack_udp_timeout', String(udpTimeout));
}

/** Which entries count: all live connections, or only TCP in ESTABLISHED. */
export type Kind = 'live' | 'established';

const LIVE = new Set(['SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'SYN_SENT2']);

/** Counts the connections of each mark number in the lines of `conntrack -L`. */
export async function listed(kind: Kind = 'live'): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const family of FAMILIES) {
    const argv = ['-L', '-f', `ipv${family}`];
    const { stdout } = await run('conntrack', argv, { encoding: 'utf8', maxBuffer: 1 << 28 });
    for (const line of stdout.split('\n')) {
      const number = Number(/ mark=(\d+)/.exec(line)?.[1] ?? 0) & 0xff;
      if (number === 0) continue;
      const [proto, , , state = ''] = line.split(/\s+/);
      const counts_ =
        proto === 'tcp' ? (kind === 'live' ? LIVE.has(state) : state === 'ESTABLISHED') : kind === 'live';
      if (counts_) counts.set(number, (counts.get(number) ?? 0) + 1);
    }
  }
  return counts;
}

/** Waits until the condition holds; the scenario's time limit ends the wait at the latest. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

export interface Entry {
  readonly family?: Family;
  readonly proto?: 'tcp' | 'udp' | 'icmp';
  readonly state?: string;
  readonly mark: number;
  readonly sport: number;
  /** Whether the connection was answered. */
  readonly answered?: boolean;
  /** The address that the source was translated to. */
  readonly from?: string;
}

/** Adds an entry to the table, as if its packets had passed. */
export function insert({ family = 4, proto = 'tcp', state = 'ESTABLISHED', ...entry }: Entry): void {
  const { mark, sport, answered, from } = entry;
  const [src, dst] = family === 4 ? ['192.0.2.1', '203.0.113.1'] : ['2001:db8:1::1', '2001:db8:2::1'];
  const argv = ['-I', '-p', proto, '-s', src!, '-d', dst!];
  // The status comes before the mark, since conntrack(8) 1.4.7 writes a status over a mark.
  if (answered) argv.push('-u', 'SEEN_REPLY');
  argv.push('--sport', String(sport), '--dport', '80', '-t', '600', '-m', String(mark));
  if (from !== undefined) argv.push('-n', from);
  if (proto === 'tcp') argv.push('--state', state);
  execFileSync('conntrack', argv, { stdio: 'ignore' });
}

/** Makes traffic of four kinds: short and held TCP, UDP with and without replies. */
export class Traffic {
  readonly #servers: { close(): unknown }[] = [];
  readonly #oneWay = new Map<Family, Datagrams>();
  readonly #held = new Set<Socket | Datagrams>();
  #serial = 0;

  static async start(): Promise<Traffic> {
    const traffic = new Traffic();
    for (const family of FAMILIES) {
      for (const mark of MARKS) {
        const server = createServer({ allowHalfOpen: false }, (socket) => {
          socket.on('error', () => {});
          socket.resume();
        });
        server.listen({ port: portOf(mark), host: LOCAL[family], backlog: 4096 });
        await once(server, 'listening');
        const echo = createSocket(`udp${family}`);
        echo.on('message', (data, { port, address }) => echo.send(data, port, address));
        echo.on('error', () => {});
        echo.bind(portOf(mark), LOCAL[family]);
        await once(echo, 'listening');
        traffic.#servers.push(server, echo);
      }
      const socket = createSocket(`udp${family}`);
      socket.on('error', () => {});
      socket.bind(0, LOCAL[family]);
      await once(socket, 'listening');
      traffic.#oneWay.set(family, socket);
    }
    return traffic;
  }

  /** Opens a TCP connection that is closed after `lifeMs`, or held. Resolves when it is established. */
  async tcp(family: Family, mark: number, lifeMs?: number): Promise<void> {
    const socket = connect({ port: portOf(mark), host: LOCAL[family] });
    this.#held.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#held.delete(socket));
    await once(socket, 'connect');
    socket.resume();
    if (lifeMs !== undefined) setTimeout(() => socket.end(), lifeMs);
  }

  /** Opens a held TCP connection and returns its source port. */
  async open(family: Family, mark: number): Promise<{ sport: number; close: () => void }> {
    const socket = connect({ port: portOf(mark), host: LOCAL[family] });
    this.#held.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#held.delete(socket));
    await once(socket, 'connect');
    socket.resume();
    return { sport: socket.localPort!, close: () => socket.end() };
  }

  /** Sends one datagram to an address that never replies. */
  udpOneWay(family: Family, mark: number): void {
    const n = ++this.#serial;
    const to =
      family === 4
        ? `127.${1 + ((n >> 16) & 63)}.${(n >> 8) & 255}.${n & 255}`
        : `2001:db8::${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}`;
    this.#oneWay.get(family)!.send('x', portOf(mark), to);
  }

  /** Makes a UDP flow with a reply. */
  async udp(family: Family, mark: number): Promise<void> {
    const socket = createSocket(`udp${family}`);
    this.#held.add(socket);
    socket.on('error', () => {});
    socket.connect(portOf(mark), LOCAL[family]);
    await once(socket, 'connect');
    socket.send('x');
    await once(socket, 'message');
    this.#held.delete(socket);
    socket.close();
  }

  /** Closes the held connections. */
  release(): void {
    for (const socket of this.#held) {
      if ('destroySoon' in socket) socket.end();
      else socket.close();
    }
  }

  stop(): void {
    for (const socket of this.#held) {
      if ('destroySoon' in socket) socket.destroy();
      else socket.close();
    }
    for (const server of [...this.#servers, ...this.#oneWay.values()]) server.close();
  }
}

const MOST_AT_ONCE = 40;

/**
 * Makes 2,000 new connections a second of all kinds until `stop` is called; `made` says how many there were. Each is
 * announced to `decided` beforehand, as in the daemon.
 */
export function churn(traffic: Traffic, decided: (mark: number) => void) {
  const began = performance.now();
  let made = 0;
  const timer = setInterval(() => {
    // At most a few at once after a pause of this process, since a decision must not be long before its packet.
    const due = Math.min(made + MOST_AT_ONCE, Math.floor((performance.now() - began) * 2));
    for (; made < due; made++) {
      const family = FAMILIES[made & 1]!;
      const mark = MARKS[made % 3]!;
      decided(mark);
      const kind = (made >> 1) % 10;
      if (kind < 5) void traffic.tcp(family, mark, (made * 7919) % 1000);
      else if (kind < 9) traffic.udpOneWay(family, mark);
      else void traffic.udp(family, mark);
    }
  }, 5);
  return {
    made: () => made,
    stop: () => clearInterval(timer),
  };
}

/** How far `counter` is from conntrack(8)'s list; any number between its readings before and after the list is right. */
export async function distance(
  counter: ConntrackCounter,
): Promise<{ off: number; share: number; text: string }> {
  const before = MARKS.map((mark) => counter.count(mark));
  const truth = await listed();
  const after = MARKS.map((mark) => counter.count(mark));
  let off = 0;
  let share = 0;
  MARKS.forEach((mark, i) => {
    const real = truth.get(mark) ?? 0;
    const low = Math.min(before[i]!, after[i]!) - real;
    const high = real - Math.max(before[i]!, after[i]!);
    const apart = Math.max(0, low, high);
    off = Math.max(off, apart);
    share = Math.max(share, apart / Math.max(1, real));
  });
  const text = `counted ${before} .. ${after}, listed ${MARKS.map((mark) => truth.get(mark) ?? 0)}`;
  return { off, share, text };
}

/** Asserts that each count is the number that conntrack(8) lists. */
export async function assertEqual(counter: ConntrackCounter, kind: Kind = 'live'): Promise<void> {
  const truth = await listed(kind);
  assert.deepEqual(
    MARKS.map((mark) => counter.count(mark)),
    MARKS.map((mark) => truth.get(mark) ?? 0),
  );
}
