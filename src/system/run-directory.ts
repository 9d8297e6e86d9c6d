import { mkdirSync } from 'node:fs';
import { SystemError } from '../errors.js';

/** The folder of the executor's lock and state, and of plans on their way to it. */
export function runDirectory(): string {
  return process.env.WANMARK_RUN ?? '/run/wanmark';
}

/** Creates the folder where it does not exist. @throws SystemError */
export function makeRunDirectory(): string {
  const path = runDirectory();
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch {
    throw new SystemError('RUN_DIRECTORY', `cannot create ${path}; set WANMARK_RUN to a directory`);
  }
  return path;
}
