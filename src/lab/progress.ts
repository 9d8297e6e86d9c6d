import { SingleBar } from 'cli-progress';
import type { ExperimentEvents } from './experiment.js';

/** Shows on standard error what the lab is doing: a bar on a terminal, a few plain lines elsewhere. */
export function tellProgress(): ExperimentEvents & { end(): void } {
  const stream = process.stderr;
  const step = (what: string) => void stream.write(`lab: ${what}\n`);
  if (!stream.isTTY) {
    let told = 0;
    const progress = (done: number, total: number) => {
      const quarter = Math.floor((4 * done) / total);
      if (quarter > told) step(`${done} of ${total} connections`);
      told = Math.max(told, quarter);
    };
    return { step, progress, end: () => {} };
  }
  let bar: SingleBar | undefined;
  const end = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    step: (what) => {
      end();
      step(what);
    },
    progress: (done, total) => {
      if (bar === undefined) {
        bar = new SingleBar({
          format: 'lab: [{bar}] {value}/{total} connections, {duration_formatted}',
          stream,
        });
        bar.start(total, done);
      }
      bar.update(done);
    },
    end,
  };
}
