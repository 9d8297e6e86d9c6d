import type { WriteStream } from 'node:tty';
import type { ExperimentEvents } from './experiment.js';

/** How many characters the bar has. */
const BAR = 40;

/** Shows on standard error what the lab is doing: a bar on a terminal, a few plain lines elsewhere. */
export function tellProgress(stream: WriteStream = process.stderr): ExperimentEvents & { end(): void } {
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
  let shown = '';
  const end = () => {
    if (shown !== '') stream.write('\n');
    shown = '';
  };
  return {
    step: (what) => {
      end();
      step(what);
    },
    progress: (done, total) => {
      const full = Math.floor((BAR * done) / total);
      const bar = '█'.repeat(full).padEnd(BAR, '░');
      const line = `lab: [${bar}] ${done}/${total} connections`;
      // A terminal is slower than the connections.
      if (done < total && shown.startsWith(`lab: [${bar}]`)) return;
      shown = line;
      stream.write(`\r${line}`);
    },
    end,
  };
}
