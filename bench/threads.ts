import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of a process so far, in nanoseconds. */
export interface CpuTime {
  /** The thread that counts connections. */
  readonly conntrack: number;
  /** The thread that talks to the kernel's queue. */
  readonly queue: number;
  /** JavaScript, and what V8 and libuv keep threads for. */
  readonly rest: number;
  /** Times that the queue's thread got a CPU; not a time. */
  readonly queueRuns: number;
}

/**
 * From /proc/PID/task/TID/schedstat, whose first number is the time on a CPU (and the third, how often): not in ticks, as in `stat`, and the
 * thread's own system calls included.
 */
export function cpuTime(pid: number): CpuTime {
  const time = { conntrack: 0, queue: 0, rest: 0, queueRuns: 0 };
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${tid}`;
    const name = readFileSync(`${path}/comm`, 'utf8').trim();
    const kind = name === 'conntrack' ? 'conntrack' : name.startsWith('nfqueue-') ? 'queue' : 'rest';
    const [ran, , runs] = readFileSync(`${path}/schedstat`, 'utf8').split(' ').map(Number);
    time[kind] += ran!;
    if (kind === 'queue') time.queueRuns += runs!;
  }
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
