import type { Bench } from '../bench.js';
import { NPM, STATISTIC, TEXTBOOK } from '../contender.js';
import { ratioOf } from '../cost.js';
import { LIMIT } from '../size.js';

/** Measures what a new connection costs with each contender. */
export async function cost(bench: Bench): Promise<void> {
  const { report, own, others } = bench;
  for (const rate of bench.size.rates) {
    report.title(`A connection at ${rate}/s, medians of ${bench.rounds} rounds`);
    const results = await bench.costs([own, ...others], rate);
    bench.costTable(results);
    const mine = results.get(own)!;
    for (const [other, limit] of [[TEXTBOOK, LIMIT.textbook] as const, [NPM, LIMIT.npm] as const]) {
      const costs = results.get(other);
      if (costs === undefined) continue;
      const part = ratioOf('selectorUs', mine, costs);
      report.held(`CPU of the selector against ${other.name}, ${rate}/s`, part, limit);
    }
    const machine = ratioOf('machineUs', mine, results.get(STATISTIC)!);
    report.held(`CPU of the machine against ${STATISTIC.name}, ${rate}/s`, machine, LIMIT.machine);
  }
}
