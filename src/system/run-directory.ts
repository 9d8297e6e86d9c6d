import { mkdirSync } from 'node:fs';
import { SystemError } from '../errors.js';

/** Where the executor's lock and state are, and the folders of plans on their way. */
export function runDirectory(): string {
  return process.env.WANMARK_RUN ?? '/run/wanmark';
}

/** Makes it where it is not there. @throws SystemError */
export function makeRunDirectory(): string {
  const path = runDirectory();
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch {
    throw new SystemError('RUN_DIRECTORY', `cannot create ${path}; set WANMARK_RUN to a directory`);
  }
  return path;
}
