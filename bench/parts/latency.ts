import type { Bench } from '../bench.js';
import { STATISTIC, TEXTBOOK } from '../contender.js';
import { LIMIT } from '../size.js';
import { median, ratio } from '../stats.js';

/** Time before the window, for the work of a daemon's first seconds. */
const WARM_UP_SECONDS = 2;

/** Measures how long a first packet is under way with each contender. */
export async function latency(bench: Bench): Promise<void> {
  const { field, report, own } = bench;
  const { rates, rounds, seconds } = bench.size.latency;
  for (const rate of rates) {
    report.title(`Microseconds from a first packet's sending to a gateway, at ${rate}/s`);
    const warmUp = Math.min(WARM_UP_SECONDS, seconds);
    const results = await bench.compare(
      [own, TEXTBOOK, STATISTIC],
      (one) => field.latency(one, seconds, rate, warmUp),
      rounds,
    );
    const rows = [...results].map(([{ name }, all]) => {
      const of = (what: keyof (typeof all)[number]) => median(all.map((one) => one[what])).toFixed(0);
      const p99s = all.map(({ p99 }) => p99.toFixed(0)).join(', ');
      return [name, of('p50'), of('p99'), of('p999'), of('rate'), of('missed'), p99s];
    });
    report.table(
      ['', 'p50', 'p99', 'p99.9', 'reached, /s', 'missed', `p99 of each window of ${seconds} s`],
      rows,
    );
    if (rate !== LIMIT.latencyRate) continue;
    const [mine, theirs] = [own, TEXTBOOK].map((one) => results.get(one)!.map(({ p99 }) => p99));
    report.held(`p99 against ${TEXTBOOK.name}, ${rate}/s`, ratio(mine!, theirs!), LIMIT.latency);
  }
}
