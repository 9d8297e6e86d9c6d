import type { Bench } from '../bench.js';
import { type Highest, highestRate } from '../highest.js';
import { median } from '../stats.js';

const END: Record<Highest['end'], string> = {
  missed: '',
  generator: " (the generator's end)",
  cap: ' (the highest that is tried)',
};

/** Measures the highest rate that each contender keeps up with. */
export async function highest(bench: Bench): Promise<void> {
  const { field, report, size } = bench;
  report.title('The highest rate without a drop, or a connection left to the kernel');
  const results = await bench.compare(
    [bench.own, ...bench.others],
    (one) => highestRate(field, one, size.highest, size.seconds / 2),
    Math.min(bench.rounds, size.highest.rounds),
  );
  const rows = [...results].map(([{ name }, all]) => [
    name,
    median(all.map(({ rate }) => rate)).toFixed(0),
    all.map(({ rate, end }) => `${rate.toFixed(0)}${END[end]}`).join(', '),
  ]);
  report.table(['', '/s', 'each'], rows);
}
