import type { Bench } from '../bench.js';
import { BATCHED, NPM, STATISTIC, TEXTBOOK } from '../contender.js';
import { COST_HEAD, costCells, REACHED_HEAD, reachedCells } from '../cost.js';
import { median } from '../stats.js';

/** Measures what a TCP connection costs and what becomes of it; a lost SYN makes a connect take a second. */
export async function connects(bench: Bench): Promise<void> {
  const { field, report, size } = bench;
  const count = Math.round(size.connectRate * size.seconds);
  report.title(`A TCP connection at ${size.connectRate}/s, medians of ${bench.rounds} rounds`);
  const contenders = [bench.own, ...bench.present([TEXTBOOK, BATCHED, NPM, STATISTIC])];
  const results = await bench.compare(contenders, (one) => field.connectCost(one, count, size.connectRate));
  const [first] = results.values();
  const rows = [...results].map(([{ name }, all]) => {
    const of = (what: 'succeeded' | 'slow' | 'failed') => String(median(all.map((one) => one[what])));
    return [...costCells(name, all, first!), ...reachedCells(all), of('succeeded'), of('slow'), of('failed')];
  });
  report.table([...COST_HEAD, ...REACHED_HEAD, `of ${count} succeeded`, 'above 0.5 s', 'failed'], rows);
  const failed = results.get(bench.own)!.reduce((sum, one) => sum + one.failed, 0);
  report.exact('connects of wanmark that failed, all rounds', failed, 0);
}
