import type { Bench } from '../bench.js';
import { type Contender, NFT_RULES, NO_BALANCING, STATISTIC } from '../contender.js';
import { type Cost, ratioOf } from '../cost.js';
import { writeHeld } from '../held.js';
import { marksOf } from '../marks.js';
import { LIMIT } from '../size.js';
import { median, ratio } from '../stats.js';

/** Time before a window, for the work of a daemon's first seconds. */
const WARM_UP_SECONDS = 2;
const STRATEGIES = ['weighted', 'least-connections', 'source-hash'] as const;

/** Compares the engine `ahead`, by strategies of each kind, with the kernel's own choice, with the queue, and with no choice at all. */
export async function engines(bench: Bench): Promise<void> {
  const { field, report, size, directory, own, rounds } = bench;
  const ahead = STRATEGIES.map((strategy) =>
    bench.ours(`ahead, ${strategy}`, '--engine', 'ahead', '--backend', 'nft', '--strategy', strategy),
  );
  const rate = size.rates[0]!;
  const count = Math.round(rate * size.seconds);
  const rules = [NO_BALANCING, STATISTIC, NFT_RULES];
  report.title(`Engines: new connections at ${rate}/s`);
  const costs = await bench.costs([own, ...rules, ...ahead], rate);
  bench.costTable(costs);
  limits(bench, costs, ahead, '');

  const { many } = size.tracked;
  report.title(`Engines with ${many} tracked connections, at ${rate}/s`);
  const file = writeHeld(directory, many, marksOf(field.lab));
  const heavy = await bench.compare([own, ...rules, ...ahead], (one) => field.cost(one, count, rate, file));
  bench.costTable(heavy);
  limits(bench, heavy, ahead, `, with ${many} tracked`);

  for (const latencyRate of size.latency.rates) {
    report.title(`Engines: microseconds from a first packet's sending to a gateway, at ${latencyRate}/s`);
    const { seconds } = size.latency;
    const windows = await bench.compare(
      [NO_BALANCING, STATISTIC, ...ahead],
      (one) => field.latency(one, seconds, latencyRate, Math.min(WARM_UP_SECONDS, seconds)),
      Math.min(size.latency.rounds, 2 * rounds),
    );
    const rows = [...windows].map(([{ name }, all]) => {
      const of = (what: 'p50' | 'p99' | 'p999' | 'rate' | 'missed') =>
        median(all.map((one) => one[what])).toFixed(0);
      return [name, of('p50'), of('p99'), of('p999'), of('rate'), of('missed')];
    });
    report.table(['', 'p50', 'p99', 'p99.9', 'reached, /s', 'missed'], rows);
    const p99 = (one: Contender) => windows.get(one)!.map((window) => window.p99);
    for (const one of ahead)
      report.held(
        `p99 of ${one.name} against ${STATISTIC.name}, ${latencyRate}/s`,
        ratio(p99(one), p99(STATISTIC)),
        LIMIT.aheadLatency,
      );
  }
}

function limits(
  { report }: Bench,
  costs: ReadonlyMap<Contender, readonly Cost[]>,
  ahead: readonly Contender[],
  how: string,
): void {
  for (const one of ahead) {
    for (const [other, limit] of [
      [STATISTIC, LIMIT.aheadStatistic],
      [NO_BALANCING, LIMIT.aheadNothing],
    ] as const)
      report.held(
        `whole machine, ${one.name} against ${other.name}${how}`,
        ratioOf('machineUs', costs.get(one)!, costs.get(other)!),
        limit,
      );
  }
}
