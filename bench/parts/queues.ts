import type { Bench } from '../bench.js';

/** Measures one queue and two; round-robin must be exact over both together. */
export async function queues(bench: Bench): Promise<void> {
  const rate = bench.size.rates[0]!;
  const each = [1, 2].map((n) =>
    bench.ours(`${n} queue${n === 1 ? '' : 's'}`, '--queues', String(n), '--strategy', 'round-robin'),
  );
  bench.report.title(`Queues, at ${rate}/s`);
  const results = await bench.costs(each, rate);
  bench.costTable(results);
  for (const [{ name }, costs] of results) {
    const spreads = costs.map(({ picks }) => Math.max(...picks!) - Math.min(...picks!));
    bench.report.exact(`${name}: decisions for one WAN more than for another`, Math.max(...spreads), 1);
  }
}
