// Runs each test in a network namespace that has only lo. The test file is run again inside, as
//
//   node --test FILE  --spawns, once for each test-->  unshare -n -m ... node FILE   (WANMARK_SCENARIO=name)
//
// UDP goes from the namespace to itself. Packets are counted twice: in raw OUTPUT, which no verdict repeats, and in
// mangle POSTROUTING, which runs inside the verdict's sendmsg. The difference is packets still queued, or lost.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { Batch } from '#wanmark/core/batch.js';
import type { Queue } from '#wanmark/queue/queue.js';
import { addon, needs, nfqueue, type Requirement } from '../helpers/requires.js';

export type Family = 4 | 6;
export const LOCAL = { 4: '127.0.0.1', 6: '::1' } as const;
/** The port of the datagrams that a rule sends to queue 0. */
export const PORT = 5000;
export const MASK = 0xff;

// The time limit of a test, which is long because an emulated machine is fifty times slower.
const TIMEOUT_MS = 180_000;

/** Declares a test that runs in a namespace of its own, and passes when `body` returns and the process then ends. */
export function scenario(
  url: string,
  name: string,
  body: () => Promise<void>,
  ...more: readonly Requirement[]
): void {
  const wanted = process.env.WANMARK_SCENARIO;
  if (wanted === undefined) {
    test(name, needs(nfqueue, addon, ...more), () => runInside(url, name));
  } else if (wanted === name) {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    body().then(
      () => process.stdout.write('SCENARIO DONE\n'),
      (error) => {
        process.stderr.write(`${inspect(error)}\n`);
        process.exit(1);
      },
    );
  }
}

async function runInside(url: string, name: string): Promise<void> {
  const user = process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const argv = [...user, '--net', '--mount', process.execPath, '--enable-source-maps', fileURLToPath(url)];
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: path, WANMARK_SCENARIO: name };
  // With this variable the inner node:test would report to the runner of this process.
  delete env.NODE_TEST_CONTEXT;
  const child = spawn('unshare', argv, { env, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  const [code, signal] = await once(child, 'close');
  assert.equal(code ?? signal, 0, output);
  assert.match(output, /SCENARIO DONE\n/);
}

function tables(family: Family): string {
  return family === 4 ? 'iptables' : 'ip6tables';
}

/** Runs iptables or ip6tables with words such as `-t TABLE -A CHAIN ...`. */
export function rule(family: Family, text: string): void {
  execFileSync(tables(family), text.split(' '));
}

/** Installs the rules of most tests: a guard, the queue and the counters. @param queue options of the NFQUEUE rule */
export function installRules(family: Family, queue = '--queue-bypass'): void {
  rule(family, '-t raw -A OUTPUT -p udp -m comment --comment sent');
  rule(family, `-t mangle -A OUTPUT -m mark ! --mark 0/${MASK} -m comment --comment guard -j RETURN`);
  rule(family, `-t mangle -A OUTPUT -p udp --dport ${PORT} -j NFQUEUE --queue-num 0 ${queue}`.trim());
  rule(family, '-t mangle -A OUTPUT -p udp -m comment --comment behind');
  rule(family, '-t mangle -A POSTROUTING -p udp -m comment --comment passed');
  for (const mark of [0, 1, 2, 3]) {
    rule(
      family,
      `-t mangle -A POSTROUTING -p udp -m mark --mark ${mark}/${MASK} -m comment --comment mark${mark}`,
    );
  }
}

/** Packets counted by the rule with this comment. */
export function counter(family: Family, comment: string): number {
  for (const [table, chain] of [
    ['raw', 'OUTPUT'],
    ['mangle', 'OUTPUT'],
    ['mangle', 'POSTROUTING'],
  ] as const) {
    const list = execFileSync(tables(family), ['-t', table, '-nvxL', chain], { encoding: 'utf8' });
    const line = list.split('\n').find((text) => text.includes(`/* ${comment} */`));
    if (line !== undefined) return Number(line.trim().split(/\s+/)[0]);
  }
  throw new Error(`no rule has the comment ${comment}`);
}

/** How many packets left with mark 0, 1, 2 and 3. */
export function marks(family: Family): number[] {
  return [0, 1, 2, 3].map((mark) => counter(family, `mark${mark}`));
}

/** Asserts that each packet was counted exactly once, and that each has its verdict. */
export async function assertConsistent(queue: Queue): Promise<void> {
  // A packet arrives during the sendmsg that carries its verdict, and the verdict is counted after that.
  while (queue.stats().verdicts < queue.stats().packets) await new Promise(setImmediate);
  const stats = queue.stats();
  const { packets, decisions, cacheHits, kernelDecided, marked, droppedErrors, dropped } = stats;
  assert.equal(packets, decisions + cacheHits + kernelDecided + marked + droppedErrors + dropped);
  assert.equal(stats.verdicts, stats.packets);
  assert.deepEqual(stats.errors, { enoent: 0, eperm: 0, enodev: 0, other: 0 });
  assert.equal(stats.malformed, 0);
}

/** Sends datagrams of one flow; each `send` sends at once, in the calling tick. */
export class Sender {
  readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  static async open(family: Family): Promise<Sender> {
    const socket = createSocket(`udp${family}`);
    // On a connected socket `send` needs no look-up and does not leave the tick.
    socket.connect(PORT, LOCAL[family]);
    await once(socket, 'connect');
    // Where nobody listens at the other end, datagrams after the first may fail.
    socket.on('error', () => {});
    return new Sender(socket);
  }

  send(text = 'x'): void {
    this.socket.send(text);
  }

  close(): void {
    this.socket.close();
  }
}

/** Opens senders of `count` flows. */
export function senders(family: Family, count: number): Promise<Sender[]> {
  return Promise.all(Array.from({ length: count }, () => Sender.open(family)));
}

/** Receives datagrams on PORT. */
export class Receiver {
  readonly received: string[] = [];
  readonly #socket: Socket;
  #arrived = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      this.received.push(data.toString());
      this.#arrived();
    });
  }

  static async open(family: Family): Promise<Receiver> {
    const socket = createSocket(`udp${family}`);
    socket.bind(PORT, LOCAL[family]);
    await once(socket, 'listening');
    return new Receiver(socket);
  }

  /** Resolves when `count` datagrams have arrived in all. */
  async until(count: number): Promise<void> {
    while (this.received.length < count) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** A `decide` that gives every packet this mark. */
export function always(mark: number): (batch: Batch, count: number) => void {
  return (batch, count) => {
    batch.marks.fill(mark, 0, count);
  };
}
