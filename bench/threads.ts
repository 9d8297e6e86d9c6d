import { readFileSync } from 'node:fs';
import { forEachThread } from './live-threads.js';

/** CPU time of a process so far, in nanoseconds. */
export interface CpuTime {
  /** The thread that counts connections. */
  readonly conntrack: number;
  /** The thread that talks to the kernel's queue. */
  readonly queue: number;
  /** JavaScript, and the other threads of V8 and libuv. */
  readonly rest: number;
  /** How often the queue's thread got a CPU; a count, not a time. */
  readonly queueRuns: number;
}

/**
 * Reads /proc/PID/task/TID/schedstat: the first number is a thread's time on a CPU in nanoseconds, its system calls
 * included, and the third is how often it got a CPU. `stat` has the time in ticks only.
 */
export function cpuTime(pid: number): CpuTime {
  const time = { conntrack: 0, queue: 0, rest: 0, queueRuns: 0 };
  forEachThread(pid, (path) => {
    const name = readFileSync(`${path}/comm`, 'utf8').trim();
    const kind = name === 'conntrack' ? 'conntrack' : name.startsWith('nfqueue-') ? 'queue' : 'rest';
    const [ran, , runs] = readFileSync(`${path}/schedstat`, 'utf8').split(' ').map(Number);
    time[kind] += ran!;
    if (kind === 'queue') time.queueRuns += runs!;
  });
  return time;
}

export function since(before: CpuTime, now: CpuTime): CpuTime {
  return {
    conntrack: now.conntrack - before.conntrack,
    queue: now.queue - before.queue,
    rest: now.rest - before.rest,
    queueRuns: now.queueRuns - before.queueRuns,
  };
}

/** The most memory that a process ever had resident, in MB (10^6 bytes). */
export function peakMemory(pid: number): number {
  const match = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (!match) throw new Error(`/proc/${pid}/status has no VmHWM`);
  return (Number(match[1]) * 1024) / 1e6;
}
