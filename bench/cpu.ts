import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Seconds that all threads of a process had a CPU so far: the first number of /proc/PID/task/TID/schedstat. */
export function cpuSeconds(pid: number): number {
  let ns = 0;
  for (const tid of readdirSync(`/proc/${pid}/task`)) ns += ran(`/proc/${pid}/task/${tid}/schedstat`);
  return ns / 1e9;
}

const KSOFTIRQD = readdirSync('/proc').filter(
  (name) => /^\d+$/.test(name) && /^ksoftirqd\//.test(comm(name)),
);

/** The same of the kernel's threads that do what softirqs have left; 0 where they cannot be seen. */
export function ksoftirqdSeconds(): number {
  return KSOFTIRQD.reduce((sum, pid) => sum + ran(`/proc/${pid}/schedstat`), 0) / 1e9;
}

/**
 * Measures how much of this machine's CPUs its host gave to others: a function that says it in percent, from this call on.
 * Figures of a time with more than a few are the host's. 0 on a machine that is none of a host's.
 */
export function stolenSince(): () => number {
  const [start, before] = [performance.now(), stolenSeconds()];
  return () => (100 * (stolenSeconds() - before)) / (((performance.now() - start) / 1000) * cpus().length);
}

/** The eighth number of /proc/stat, in hundredths of a second on every machine (proc(5): USER_HZ). */
function stolenSeconds(): number {
  return Number(readFileSync('/proc/stat', 'utf8').split(/\s+/, 9)[8]) / 100;
}

function comm(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return ''; // it ended in between
  }
}

function ran(path: string): number {
  return Number(readFileSync(path, 'utf8').split(' ', 1)[0]);
}
