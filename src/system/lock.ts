import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { loadAddon } from '../native.js';
import { runDirectory } from './run-directory.js';

interface LockAddon {
  /**
   * Returns a descriptor that holds the lock. @throws Error with `errno`: EWOULDBLOCK where somebody else has the lock
   */
  tryLock(path: string): number;
}

/**
 * Does something under the executor's lock, flock(2), unless somebody else has it.
 * @returns undefined where it was not done
 */
export async function underLock<T>(act: () => Promise<T>): Promise<T | undefined> {
  let descriptor: number;
  try {
    descriptor = loadAddon<LockAddon>().tryLock(join(runDirectory(), 'lock'));
  } catch {
    return undefined;
  }
  try {
    return await act();
  } finally {
    closeSync(descriptor);
  }
}
