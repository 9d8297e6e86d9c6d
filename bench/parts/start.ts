import type { Bench } from '../bench.js';
import { LIMIT } from '../size.js';
import { measureStart } from '../start.js';
import { median } from '../stats.js';

/** Measures the time from the command to the first decision, and the memory then. */
export async function start(bench: Bench): Promise<void> {
  const { field, report, rounds } = bench;
  await field.rules();
  const starts = [];
  for (let round = 0; round < rounds; round++) starts.push(await measureStart(field, bench.directory));
  report.title(`From the command to the first decision, median of ${rounds}`);
  report.held('milliseconds', median(starts.map(({ ms }) => ms)), LIMIT.startMs);
  report.held('MB at its peak', Math.max(...starts.map(({ memory }) => memory)), LIMIT.memoryMb);
}
