import type { Bench } from '../bench.js';
import { BATCHES, decisionsPerSecond, STRATEGY_NAMES } from '../decisions.js';

/** Measures how many decisions a second the one JavaScript thread can make. */
export async function decisions({ report, size }: Bench): Promise<void> {
  report.title('One JavaScript thread, without a kernel');
  const rows = STRATEGY_NAMES.map((strategy) => [
    strategy,
    ...BATCHES.map((batch) => (decisionsPerSecond(strategy, batch, size.seconds / 2) / 1e6).toFixed(2)),
  ]);
  report.table(['million decisions a second, batches of', ...BATCHES.map(String)], rows);
}
