import { isAbsolute } from 'node:path';
import type { Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';
import { readInteger, readList, readText } from './raw.js';

/** What useradd(8) takes, with the capitals and dots of directory services. */
const USER_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*\$?$/;

/** Programs that are run after each change of a WAN's state. */
export interface HooksConfig {
  /** Absolute paths, in the order in which they are run; may be empty. */
  readonly files: readonly string[];
  /** Milliseconds that a hook may run, 1000..3600000. */
  readonly timeoutMs: number;
  /** The user whom hooks and check scripts are run as; undefined: the daemon's own. */
  readonly user: string | undefined;
}

/** @throws UsageError */
export function parseHooks(raw: RawConfig, wans: readonly Wan[]): HooksConfig {
  return Object.freeze({
    files: hookFiles(readList(raw, 'hook'), wans),
    timeoutMs: 1000 * readInteger(raw, 'hook-timeout'),
    user: hookUser(raw),
  });
}

function hookUser(raw: RawConfig): string | undefined {
  const user = readText(raw, 'hook-user');
  if (user === undefined || USER_NAME.test(user)) return user;
  throw new UsageError(`hook-user "${user}" is not the name of a user; write for example nobody`);
}

function hookFiles(list: readonly unknown[], wans: readonly Wan[]): readonly string[] {
  for (const [i, file] of list.entries()) {
    if (wans.length === 0)
      throw new UsageError('--hook is for the uplinks of --wan; leave it out, or add them');
    // Hooks are not looked for on a PATH, and must be the same from whatever directory the daemon is started.
    if (typeof file !== 'string' || !isAbsolute(file))
      throw new UsageError(`hook "${file}" must be an absolute path; write for example /etc/wanmark/hook`);
    if (list.indexOf(file) !== i) throw new UsageError(`hook ${file} is given twice; give it once`);
  }
  return Object.freeze(list as string[]);
}
