import { join } from 'node:path';
import type { Bench } from '../bench.js';
import { writeHeld } from '../held.js';
import { marksOf } from '../marks.js';
import { LIMIT } from '../size.js';
import { median, ratio } from '../stats.js';
import { type Sample, Tracked } from '../tracked.js';

/** New connections a second while the table is only held: enough that the daemon is not idle. */
const HOLD_RATE = 100;
const HEAD = ['held', 'a decision, us', 'of it I/O', 'of it JS', 'decisions each time the I/O thread runs'];
const MORE = ['conntrack thread, % of a core', 'tracked at the end', 'memory, MB'];

function cells(name: string, samples: readonly Sample[]): string[] {
  const of = (figure: (sample: Sample) => number) => median(samples.map(figure));
  return [
    name,
    (of(({ deciding }) => deciding) / 1000).toFixed(2),
    (of(({ each }) => each.queue) / 1000).toFixed(2),
    (of(({ each }) => each.rest) / 1000).toFixed(2),
    (1 / of(({ each }) => each.queueRuns)).toFixed(1),
    (100 * of(({ conntrackShare }) => conntrackShare)).toFixed(2),
    of((sample) => sample.tracked).toFixed(0),
    of(({ memory }) => memory).toFixed(1),
  ];
}

/** Measures least-connections with few and many tracked connections in turn, so that drift over time is in both. */
export async function tracked(bench: Bench): Promise<void> {
  const { field, report, directory, rounds } = bench;
  const { few, many, count, rate, holdSeconds } = bench.size.tracked;
  const marks = marksOf(field.lab);
  const file = { [few]: writeHeld(directory, few, marks), [many]: writeHeld(directory, many, marks) };
  const samples: Record<number, Sample[]> = { [few]: [], [many]: [] };
  // A long deadline: after a late answer the kernel decides, and there is no decision of ours to measure.
  const args = ['--strategy', 'least-connections', '--deadline', '10000'];
  const router = await Tracked.start(field, join(directory, 'tracked'), ...args);
  try {
    const sample = async (held: number) => {
      await router.hold(held, file[held]!);
      return router.measure(count, rate);
    };
    await sample(few); // a warm-up
    for (let round = 0; round < rounds; round++) {
      for (const held of round % 2 === 0 ? [few, many] : [many, few]) samples[held]!.push(await sample(held));
    }
    await router.hold(many, file[many]!);
    const resting = await router.measure(HOLD_RATE * holdSeconds, HOLD_RATE);
    report.title(`Least-connections by tracked connections, at ${rate}/s, medians of ${rounds} rounds`);
    report.table(
      [...HEAD, ...MORE],
      [
        cells(String(few), samples[few]!),
        cells(String(many), samples[many]!),
        cells(`${many}, at ${HOLD_RATE}/s for ${holdSeconds} s`, [resting]),
      ],
    );
    const [small, large] = [few, many].map((held) => samples[held]!.map(({ deciding }) => deciding));
    report.held(`a decision with ${many} against ${few}`, ratio(large!, small!), LIMIT.tracked);
    report.held('MB at its peak', resting.memory, LIMIT.trackedMb);
  } finally {
    await router.stop();
  }
}
