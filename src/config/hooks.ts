import { isAbsolute } from 'node:path';
import type { Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';
import { readInteger, readList } from './raw.js';

/** Programs that are run after each change of a WAN's state. */
export interface HooksConfig {
  /** Absolute paths, in the order in which they are run; may be empty. */
  readonly files: readonly string[];
  /** Milliseconds that a hook may run, 1000..3600000. */
  readonly timeoutMs: number;
}

/** @throws UsageError */
export function parseHooks(raw: RawConfig, wans: readonly Wan[]): HooksConfig {
  return Object.freeze({
    files: hookFiles(readList(raw, 'hook'), wans),
    timeoutMs: 1000 * readInteger(raw, 'hook-timeout', 1, 3600),
  });
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
