import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { forEachThread } from './live-threads.js';

/** CPU time of all threads of a process so far, in seconds: the first number of /proc/PID/task/TID/schedstat. */
export function cpuSeconds(pid: number): number {
  let ns = 0;
  forEachThread(pid, (path) => {
    ns += ran(`${path}/schedstat`);
  });
  return ns / 1e9;
}

const KSOFTIRQD = readdirSync('/proc').filter(
  (name) => /^\d+$/.test(name) && /^ksoftirqd\//.test(comm(name)),
);

/** CPU time of the kernel's ksoftirqd threads so far, in seconds; 0 where they cannot be seen. */
export function ksoftirqdSeconds(): number {
  return KSOFTIRQD.reduce((sum, pid) => sum + ran(`/proc/${pid}/schedstat`), 0) / 1e9;
}

/**
 * Measures from this call on how much CPU the machine's host gave to others. The function returned says it in percent;
 * above a few percent the benchmark's figures say more about the host than about us. 0 on a machine without a host.
 */
export function stolenSince(): () => number {
  const [start, before] = [performance.now(), stolenSeconds()];
  return () => (100 * (stolenSeconds() - before)) / (((performance.now() - start) / 1000) * cpus().length);
}

/** The steal time, eighth number of /proc/stat; its unit is 1/100 s on every machine (proc(5): USER_HZ). */
function stolenSeconds(): number {
  return Number(readFileSync('/proc/stat', 'utf8').split(/\s+/, 9)[8]) / 100;
}

function comm(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return ''; // the process has ended since the listing
  }
}

function ran(path: string): number {
  return Number(readFileSync(path, 'utf8').split(' ', 1)[0]);
}
