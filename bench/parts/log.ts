import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.js';
import { ratioOf } from '../cost.js';
import { LIMIT } from '../size.js';
import { marksIn } from '../start.js';

/** Measures the cost of the mark log, and whether it has a line for each decision. */
export async function log(bench: Bench): Promise<void> {
  const { field, report, size, own } = bench;
  const count = Math.round(size.logRate * size.seconds);
  const logging = bench.ours('with --log-mark', '--log-mark');
  const path = join(bench.directory, 'log');
  let lost = 0;
  let bytes = 0;
  report.title(`The log of marks, to a file, at ${size.logRate}/s`);
  const results = await bench.compare([own, logging], async (one) => {
    const cost = await field.cost(one, count, size.logRate);
    if (one !== logging) return cost;
    const lines = count + Math.ceil(count / 10);
    lost += Math.abs(lines - marksIn(path));
    bytes = statSync(path).size / lines;
    return cost;
  });
  bench.costTable(results);
  report.exact('lines lost', lost, 0);
  report.line(`bytes of a line: ${Math.round(bytes)}`);
  const part = ratioOf('selectorUs', results.get(logging)!, results.get(own)!);
  report.held('--log-mark against without', part, LIMIT.log);
}
