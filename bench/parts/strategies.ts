import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.js';

/** A user's strategy, like the example of the docs: it chooses by the source port. */
const USER_STRATEGY = 'export default () => ({ pick: (flow, wans) => wans[flow.sport % wans.length] });\n';

/** Measures wanmark with each of its strategies and with a user's own. */
export async function strategies(bench: Bench): Promise<void> {
  const rate = bench.size.rates[0]!;
  const file = join(bench.directory, 'strategy.mjs');
  writeFileSync(file, USER_STRATEGY);
  const each = ['round-robin', 'weighted', 'least-connections', 'source-hash', file].map((strategy) =>
    bench.ours(strategy === file ? 'a user’s file' : strategy, '--strategy', strategy),
  );
  bench.report.title(`Strategies at ${rate}/s`);
  bench.costTable(await bench.costs(each, rate));
}
