/**
 * Ours beside other selectors on the same work, in one run, and what the parts of ours cost:
 * `node dist-bench/selectors.js [--small] [--check] [--only PART,...] [--rounds N]`.
 *
 * In each round all contenders take their turn, each time another one first, so that what else the machine does is in
 * all of them; a ratio is the median of the rounds' ratios. `--check`: exit code 1 when a limit is not held.
 * `--small`: a smoke run of seconds, without limits.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Wanmark } from '#wanmark/lab/wanmark.js';
import { BATCHED, type Contender, NPM, ours, PYTHON, STATISTIC, TEXTBOOK } from './contender.js';
import { decisionsTable } from './decisions.js';
import { type Cost, Field } from './field.js';
import { makeRoom } from './held.js';
import type { Latency } from './latency.js';
import { buildPrograms } from './programs.js';
import { marksIn, measureStart } from './start.js';
import { median } from './stats.js';

const SMALL = { rounds: 1, seconds: 0.2, rates: [2_000], logRate: 2_000, latency: [1_000], from: 2_000 };
const FULL = {
  rounds: 5,
  seconds: 2,
  rates: [40_000, 100_000],
  logRate: 20_000,
  latency: [1_000, 20_000],
  from: 20_000,
};
const LIMIT = {
  'textbook C loop': 0.9,
  'npm nfqueue': 0.5,
  machine: 1.5,
  log: 1.6,
  latency: 1.5,
  latencyRate: 20_000,
  startMs: 400,
  memoryMb: 80,
} as const;

const { values: flags } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    only: { type: 'string', default: 'cost,strategies,log,latency,highest,start,decisions' },
    rounds: { type: 'string' },
  },
});
const size = flags.small ? SMALL : FULL;
const rounds = Number(flags.rounds ?? size.rounds);
const print = (line = '') => process.stdout.write(`${line}\n`);
const us = (value: number) => value.toFixed(2);
const missed: string[] = [];

function held(what: string, value: number, limit: number): void {
  const good = value <= limit;
  const verdict = flags.small ? '' : ` (limit ${limit})${good ? '' : ' NOT HELD'}`;
  print(`${what}: ${value.toFixed(2)}${verdict}`);
  if (!good) missed.push(what);
}

/** A result of each contender for each round. */
async function compare<T>(
  contenders: readonly Contender[],
  measure: (contender: Contender) => Promise<T>,
): Promise<Map<Contender, T[]>> {
  const results = new Map<Contender, T[]>(contenders.map((one) => [one, []]));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(round + i) % contenders.length]!;
      results.get(contender)!.push(await measure(contender));
    }
  }
  return results;
}

const ratio = (of: readonly number[], to: readonly number[]) => median(of.map((value, i) => value / to[i]!));

class Bench {
  readonly field: Field;
  readonly directory: string;
  readonly own: Contender;

  constructor(field: Field, directory: string) {
    this.field = field;
    this.directory = directory;
    this.own = ours('wanmark', directory);
  }

  async cost(others: readonly Contender[]): Promise<void> {
    for (const rate of size.rates) {
      print(`\n## A connection at ${rate}/s, medians of ${rounds} rounds\n`);
      const results = await compare([this.own, ...others], (one) =>
        this.field.cost(one, Math.round(rate * size.seconds), rate),
      );
      this.#costTable(results);
      const mine = results.get(this.own)!;
      for (const [{ name }, costs] of results) {
        const limit = name === 'textbook C loop' || name === 'npm nfqueue' ? LIMIT[name] : undefined;
        if (limit === undefined) continue;
        held(`CPU of the selector against ${name}, ${rate}/s`, selectorRatio(mine, costs), limit);
      }
      const statistic = results.get(STATISTIC)!;
      const machine = ratio(
        mine.map(({ machineUs }) => machineUs),
        statistic.map(({ machineUs }) => machineUs),
      );
      held(`CPU of the machine against statistic rules, ${rate}/s`, machine, LIMIT.machine);
    }
  }

  async strategies(): Promise<void> {
    const rate = size.rates[0]!;
    const file = join(this.directory, 'strategy.mjs');
    writeFileSync(file, USER_STRATEGY);
    const each = ['round-robin', 'weighted', 'least-connections', 'source-hash', file].map((strategy) =>
      ours(strategy === file ? 'a user’s file' : strategy, this.directory, '--strategy', strategy),
    );
    print(`\n## Strategies at ${rate}/s\n`);
    this.#costTable(
      await compare(each, (one) => this.field.cost(one, Math.round(rate * size.seconds), rate)),
    );
  }

  /** The log's own cost, and whether it has a line for each decision. */
  async log(): Promise<void> {
    const { logRate } = size;
    const count = Math.round(logRate * size.seconds);
    const logging = ours('with --log-mark', this.directory, '--log-mark');
    const log = join(this.directory, 'log');
    let lost = 0;
    print(`\n## The log of marks, to a file, at ${logRate}/s\n`);
    const results = await compare([this.own, logging], async (one) => {
      const cost = await this.field.cost(one, count, logRate);
      if (one === logging) lost += Math.abs(count + Math.ceil(count / 10) - marksIn(log));
      return cost;
    });
    this.#costTable(results);
    print(`lines lost: ${lost}; a line has ${Math.round(statSync(log).size / (1.1 * count))} bytes`);
    if (lost > 0) missed.push('lines lost');
    const [without, withLog] = [results.get(this.own)!, results.get(logging)!];
    held('--log-mark against without', selectorRatio(withLog, without), LIMIT.log);
  }

  async latency(): Promise<void> {
    for (const rate of size.latency) {
      print(`\n## Microseconds from a first packet's sending to a gateway, at ${rate}/s\n`);
      const each = [this.own, TEXTBOOK, STATISTIC];
      const count = Math.round(rate * size.seconds);
      const results = await compare(each, (one) => this.field.latency(one, count, rate, 1.5 * size.seconds));
      print('| | p50 | p99 | p99.9 |');
      print('|---|---|---|---|');
      const of = (all: readonly Latency[], key: keyof Latency) => median(all.map((one) => one[key]));
      for (const [{ name }, all] of results) {
        print(
          `| ${name} | ${(['p50', 'p99', 'p999'] as const).map((key) => of(all, key).toFixed(0)).join(' | ')} |`,
        );
      }
      const p99 = (contender: Contender) => results.get(contender)!.map((one) => one.p99);
      const part = ratio(p99(this.own), p99(TEXTBOOK));
      if (rate === LIMIT.latencyRate) held(`p99 against ${TEXTBOOK.name}, ${rate}/s`, part, LIMIT.latency);
    }
  }

  async highest(others: readonly Contender[]): Promise<void> {
    print('\n## The highest rate without a drop, or a connection left to the kernel\n');
    const results = await compare(
      [this.own, ...others],
      async (one) => (await this.field.highest(one, size.from, size.seconds / 2)) ?? 0,
    );
    for (const [{ name }, rates] of results) {
      print(`- ${name}: ${Math.round(median(rates))}/s (${rates.map(Math.round).join(', ')})`);
    }
  }

  async start(): Promise<void> {
    await new Wanmark(this.field.lab).up();
    const starts = [];
    for (let round = 0; round < rounds; round++) starts.push(await measureStart(this.field, this.directory));
    print(`\n## From the command to the first decision, median of ${rounds}\n`);
    held('milliseconds', median(starts.map(({ ms }) => ms)), LIMIT.startMs);
    held('MB at its peak', Math.max(...starts.map(({ memory }) => memory)), LIMIT.memoryMb);
  }

  #costTable(results: ReadonlyMap<Contender, readonly Cost[]>): void {
    print('| | selector, us | whole machine, us | ratio to the first | reached, /s | missed |');
    print('|---|---|---|---|---|---|');
    const [first] = results.values();
    for (const [{ name }, costs] of results) {
      const of = (key: keyof Cost) => median(costs.map((one) => one[key]));
      const selects = of('selectorUs') > 0;
      print(
        `| ${name} | ${selects ? us(of('selectorUs')) : '-'} | ${us(of('machineUs'))} | ` +
          `${selects ? us(selectorRatio(costs, first!)) : '-'} | ${Math.round(of('rate'))} | ${of('missed')} |`,
      );
    }
    print();
  }
}

const selectorRatio = (of: readonly Cost[], to: readonly Cost[]) =>
  ratio(
    of.map(({ selectorUs }) => selectorUs),
    to.map(({ selectorUs }) => selectorUs),
  );

/** As the README shows one: by the source's port. */
const USER_STRATEGY = 'export default () => ({ pick: (flow, wans) => wans[flow.sport % wans.length] });\n';

async function main(): Promise<void> {
  makeRoom(flags.small ? 20_000 : 1_000_000);
  buildPrograms();
  const directory = mkdtempSync(join(tmpdir(), 'wanmark-bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const parts = flags.only.split(',');
  print(
    `${new Date().toISOString()}, Linux ${release()}, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}`,
  );
  const all = [TEXTBOOK, BATCHED, NPM, PYTHON, STATISTIC];
  const others = all.filter(({ absent }) => absent === undefined);
  for (const { name, absent } of all) if (absent !== undefined) print(`without ${name}: ${absent}`);
  const field = await Field.start();
  try {
    const bench = new Bench(field, directory);
    if (parts.includes('cost')) await bench.cost(others);
    if (parts.includes('strategies')) await bench.strategies();
    if (parts.includes('log')) await bench.log();
    if (parts.includes('latency')) await bench.latency();
    if (parts.includes('highest')) await bench.highest(others);
    if (parts.includes('start')) await bench.start();
  } finally {
    await field.stop();
  }
  if (parts.includes('decisions')) {
    print('\n## One JavaScript thread, without a kernel\n');
    for (const line of decisionsTable(size.seconds)) print(line);
  }
  if (flags.check && !flags.small && missed.length > 0) process.exitCode = 1;
}

// An exit runs what puts the limit back; the default action of a signal does not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
