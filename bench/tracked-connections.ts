/**
 * What a decision costs the daemon with few and with many tracked connections.
 *
 * `node dist-bench/tracked-connections.js [--small] [--check] [--strategy NAME]`. Pairs of the same measurement, with
 * a full table and with an almost empty one, take turns in one run, so that what else the machine does is in both.
 * `--check`: exit code 1 when a limit is not held. `--small`: a smoke run of seconds, without limits.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { Wanmark } from '#wanmark/lab/wanmark.js';
import { BenchDaemon, live } from './daemon.js';
import { makeRoom, replaceTable, tracked, writeHeld } from './held.js';
import { median } from './stats.js';
import { type CpuTime, cpuTime, peakMemory, since } from './threads.js';

const SENDER = fileURLToPath(new URL('./sender.js', import.meta.url));
const SMALL = { few: 100, many: 5_000, pairs: 1, count: 2_000, rate: 2_000, holdS: 2 };
const FULL = { few: 1_000, many: 300_000, pairs: 5, count: 20_000, rate: 4_000, holdS: 60 };
/** New connections a second while the table is only held: enough that the daemon is not idle. */
const HOLD_RATE = 100;
/** Between bursts. A decision in a burst costs less than one alone, since some share a waking up of the threads. */
const TICK_MS = 10;
const LIMIT = { ratio: 1.1, memoryMb: 100 } as const;

const { values: flags } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    strategy: { type: 'string', default: 'least-connections' },
  },
});
const size = flags.small ? SMALL : FULL;
const print = (line: string) => process.stdout.write(`${line}\n`);

interface Sample {
  /** Nanoseconds a decision. */
  readonly each: CpuTime;
  readonly deciding: number;
  /** The conntrack thread's part of one core. */
  readonly conntrackShare: number;
  readonly tracked: number;
  /** Peak of the process so far, in MB. */
  readonly memory: number;
}

class Bench {
  constructor(
    readonly lab: Lab,
    readonly daemon: BenchDaemon,
  ) {}

  /** Brings the table to `held` connections and waits until the daemon has counted them. */
  async hold(held: number, file: string): Promise<void> {
    await replaceTable(this.lab.router, file);
    const slack = Math.max(10, held / 100);
    await this.daemon.until(
      (status) => Math.abs(live(status) - held) <= slack,
      `${held} connections counted`,
    );
  }

  /** @throws {Error} when not every new connection was decided by the daemon, since then the figures mean little */
  async measure(count: number, rate: number, tickMs = TICK_MS): Promise<Sample> {
    const { daemon, lab } = this;
    const { verdicts, kernelDecided } = (await daemon.status()).queue;
    const start = performance.now();
    const before = cpuTime(daemon.pid);
    const args = [SERVER[4], count, rate, tickMs].map(String);
    await lab.client.exec([process.execPath, SENDER, ...args], { timeoutMs: 600_000 });
    const { queue } = await daemon.until(
      (status) => status.queue.verdicts >= verdicts + count,
      `${count} connections decided`,
      30_000,
    );
    const spent = since(before, cpuTime(daemon.pid));
    const ns = (performance.now() - start) * 1e6;
    const strange = queue.verdicts - verdicts - count + queue.kernelDecided - kernelDecided;
    if (strange > count / 100)
      throw new Error(`${strange} packets more than expected, or left to the kernel`);
    const each = {
      conntrack: spent.conntrack / count,
      queue: spent.queue / count,
      rest: spent.rest / count,
      queueRuns: spent.queueRuns / count,
    };
    return {
      each,
      deciding: each.queue + each.rest,
      conntrackShare: spent.conntrack / ns,
      tracked: await tracked(lab.router),
      memory: peakMemory(daemon.pid),
    };
  }
}

const us = (ns: number) => `${(ns / 1000).toFixed(2)} us`;
const percent = (part: number) => `${(100 * part).toFixed(2)} %`;

function describe(held: number, { each, deciding, conntrackShare, tracked, memory }: Sample): string {
  return (
    `  ${String(held).padStart(6)} held: ${us(deciding)} a decision (I/O ${us(each.queue)}, JS ${us(each.rest)}; ${(1 / each.queueRuns).toFixed(1)} each time the I/O thread runs); ` +
    `conntrack thread ${percent(conntrackShare)} of a core; ` +
    `${tracked} tracked at the end; peak ${memory.toFixed(1)} MB`
  );
}

/** The lab with rules, quick to forget what the benchmark itself opens, and gateways that swallow it. */
async function prepare(lab: Lab): Promise<void> {
  await new Wanmark(lab).up();
  await lab.router.sh('echo 1 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout');
  for (const wan of lab.wans) {
    const rule = `-A PREROUTING -i up0 -p udp -d ${SERVER[4]} -j DROP`;
    await lab.gateway(wan).exec(['iptables-restore', '--noflush'], { input: `*raw\n${rule}\nCOMMIT\n` });
  }
}

async function run(bench: Bench, directory: string): Promise<boolean> {
  const { few, many, pairs, count, rate, holdS } = size;
  const marks = bench.lab.wans.map(({ mark }) => mark);
  const files = new Map([few, many].map((held) => [held, writeHeld(directory, held, marks)]));
  const sample = async (held: number) => {
    await bench.hold(held, files.get(held)!);
    const result = await bench.measure(count, rate);
    print(describe(held, result));
    return result;
  };

  print(`${count} new connections at ${rate}/s, ${few} against ${many} held, ${flags.strategy}`);
  print('warm-up');
  await sample(few);
  const ratios: number[] = [];
  const dearer: number[] = [];
  for (let pair = 1; pair <= pairs; pair++) {
    print(`pair ${pair}`);
    // In turn the one and the other first: what grows with time is no part of the ratio.
    const first = await sample(pair % 2 === 1 ? few : many);
    const second = await sample(pair % 2 === 1 ? many : few);
    const [small, large] = pair % 2 === 1 ? [first, second] : [second, first];
    ratios.push(large.deciding / small.deciding);
    dearer.push(large.deciding - small.deciding);
    print(`  ratio ${ratios.at(-1)!.toFixed(3)}`);
  }

  await bench.hold(many, files.get(many)!);
  const held = await bench.measure(HOLD_RATE * holdS, HOLD_RATE);
  print(`${many} held for ${holdS} s, ${HOLD_RATE} new a second`);
  print(describe(many, held));

  const ratio = median(ratios);
  const memory = peakMemory(bench.daemon.pid);
  print(`median ratio ${ratio.toFixed(3)} (limit ${LIMIT.ratio}); median difference ${us(median(dearer))}`);
  print(`peak memory ${memory.toFixed(1)} MB (limit ${LIMIT.memoryMb})`);
  print(`conntrack thread ${percent(held.conntrackShare)} of a core with ${many} held`);
  return ratio <= LIMIT.ratio && memory <= LIMIT.memoryMb;
}

async function main(): Promise<void> {
  makeRoom(size.many + 2 * size.count + 10_000);
  const directory = mkdtempSync(join(tmpdir(), 'wanmark-bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const lab = await Lab.start({ wans: 3, ipv6: false });
  try {
    await prepare(lab);
    // A late answer would be the kernel's decision, and none of ours to measure.
    const args = ['--strategy', flags.strategy, '--deadline', '10000'];
    const daemon = await BenchDaemon.start(lab, join(directory, 'socket'), ...args);
    try {
      const held = await run(new Bench(lab, daemon), directory);
      if (flags.check && !flags.small && !held) process.exitCode = 1;
    } catch (error) {
      if (daemon.program.stderr) process.stderr.write(`the daemon said:\n${daemon.program.stderr}`);
      throw error;
    }
  } finally {
    await lab.stop();
  }
}

// An exit runs what puts the limit back; the default action of a signal does not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
