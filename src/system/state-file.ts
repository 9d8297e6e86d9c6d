import { mkdirSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FRESH, freshPath } from './fresh-file.js';
import { readOwn } from './own-file.js';

/** Where is kept what outlives a boot: systemd's StateDirectory= of our units. */
function directory(): string {
  return process.env.WANMARK_STATE ?? '/var/lib/wanmark';
}

/** A file for what a daemon keeps over a boot, named by its socket, since no two daemons share one. */
export function statePath(socket: string, what: string): string {
  return join(directory(), `${resolve(socket).slice(1).replaceAll('/', '-')}.${what}`);
}

/** Reads what {@link writeState} wrote; undefined where there is nothing. @throws Error where it cannot be read, or is not JSON */
export function readState(path: string): unknown {
  try {
    return JSON.parse(readOwn(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Writes a state in one step that also holds when the power fails: whoever reads has the old one or the new one. Waits for the
 * disk in a thread of Node's, since a slow card may take a second. @throws Error
 */
export async function writeState(path: string, state: object): Promise<void> {
  mkdirSync(directory(), { recursive: true, mode: 0o755 });
  const fresh = freshPath(path);
  const file = await open(fresh, FRESH, 0o640);
  try {
    await file.writeFile(`${JSON.stringify(state)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, path);
}
