import { readdirSync } from 'node:fs';

/**
 * Visits the threads of a process, each by its folder in /proc. One that ends before it is read is left out, and with it
 * the little time that it ran.
 */
export function forEachThread(pid: number, visit: (path: string) => void): void {
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      visit(`/proc/${pid}/task/${tid}`);
    } catch (error) {
      // ENOENT where it was gone before its file was opened, ESRCH where it went before it was read.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}
