import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { childrenOf } from '#wanmark/lab/program.js';
import { wanArguments } from '#wanmark/lab/wanmark.js';
import { MAIN } from './daemon.js';
import type { Field } from './field.js';
import { peakMemory } from './threads.js';

/** The time from the command to the first decision in milliseconds, and the peak memory then in MB (10^6 bytes). */
export interface Start {
  readonly ms: number;
  readonly memory: number;
}

/** New connections a second while the daemon starts: the first decision comes within a millisecond of the start. */
const RATE = 1000;
const SECONDS = 3;

/** Measures one start; its end is the time stamp of the log's first decision. Rules must be up. */
export async function measureStart(field: Field, directory: string, ...args: string[]): Promise<Start> {
  const { lab, flows } = field;
  const load = flows.send(RATE * SECONDS, RATE, 200);
  const before = Date.now();
  const program = lab.router.spawn([
    process.execPath,
    MAIN,
    'run',
    ...wanArguments(lab.wans),
    '--socket',
    join(directory, 'start'),
    '--log-mark',
    ...args,
  ]);
  const line = await program.waitForLine(/"msg":"mark"/);
  const [pid] = childrenOf(program.pid);
  const memory = peakMemory(pid!);
  await load;
  await program.kill('SIGTERM');
  await program.exited;
  return { ms: Date.parse(JSON.parse(line).time) - before, memory };
}

/** Counts the lines of a log that record a decision. */
export function marksIn(path: string): number {
  return readFileSync(path, 'utf8').split('"msg":"mark"').length - 1;
}
