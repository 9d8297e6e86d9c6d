import type { Bench } from '../bench.js';
import { readBy } from '../readers.js';
import { LIMIT } from '../size.js';
import { median, ratio } from '../stats.js';

const READERS = 50;

/** Measures what those who follow the events cost a first packet. */
export async function readers(bench: Bench): Promise<void> {
  const { field, report, own, directory } = bench;
  const { rate, rounds, seconds } = bench.size.readers;
  report.title(
    `Microseconds from a first packet's sending to a gateway, at ${rate}/s, with an event every two seconds`,
  );
  const results = await bench.compare(
    [0, READERS].map((count) => readBy(own, `${count} readers of the events`, directory, count)),
    (one) => field.latency(one, seconds, rate, Math.min(1, seconds)),
    rounds,
  );
  const rows = [...results].map(([{ name }, all]) => {
    const of = (what: keyof (typeof all)[number]) => median(all.map((one) => one[what])).toFixed(0);
    return [
      name,
      of('p50'),
      of('p99'),
      of('rate'),
      of('missed'),
      all.map(({ p99 }) => p99.toFixed(0)).join(', '),
    ];
  });
  report.table(['', 'p50', 'p99', 'reached, /s', 'missed', `p99 of each window of ${seconds} s`], rows);
  const [without, with50] = [...results.values()].map((all) => all.map(({ p99 }) => p99));
  report.held(`p99 with ${READERS} readers against none`, ratio(with50!, without!), LIMIT.readers);
}
