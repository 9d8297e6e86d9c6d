import { readdirSync, readFileSync } from 'node:fs';

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
