import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isStrategyFile } from '../config/strategy.js';
import { UsageError } from '../errors.js';
import { doubtAbout } from './trusted.js';

/**
 * Checks that a file exists, that this process may run it, and that nobody else decides what is in it.
 * @param option the option that gave the path
 * @param owners who may write it besides root and the user of this process
 * @throws UsageError
 */
export function checkProgram(option: string, path: string, owners: readonly number[] = []): void {
  let isFile: boolean;
  try {
    isFile = statSync(path).isFile();
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = gone ? 'does not exist' : `cannot be used: ${(error as Error).message}`;
    throw new UsageError(`${option} ${path} ${why}; correct the path`, { cause: error });
  }
  if (!isFile) throw new UsageError(`${option} ${path} is not a file; give a program`);
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw new UsageError(`${option} ${path} is not executable; chmod +x ${path}`, { cause: error });
  }
  checkTrusted(option, path, owners);
}

/** Does the same for a strategy, where it is a file that exists. @throws UsageError */
export function checkStrategyFile(name: string): void {
  if (isStrategyFile(name) && existsSync(name)) checkTrusted('strategy file', resolve(name));
}

/**
 * Refuses a file that somebody else than root, the user of this process or `owners` can write or replace.
 * @param path absolute, of a file that exists
 * @throws UsageError
 */
function checkTrusted(option: string, path: string, owners: readonly number[] = []): void {
  const doubt = doubtAbout(path, [process.geteuid!(), ...owners]);
  if (doubt === undefined) return;
  throw new UsageError(`${option} ${path} is refused, since ${doubt.why}; ${doubt.remedy}`);
}

/** Whether a program of that name would be found. @param path folders with colons between them, as in $PATH */
export function isInPath(name: string, path: string): boolean {
  return path.split(':').some((folder) => {
    const file = `${folder || '.'}/${name}`;
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}
