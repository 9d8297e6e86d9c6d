import { accessSync, constants, statSync } from 'node:fs';
import { UsageError } from '../errors.js';

/**
 * Checks that a file exists and that this process may run it.
 * @param option the option that gave the path
 * @throws UsageError
 */
export function checkProgram(option: string, path: string): void {
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
