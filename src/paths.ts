import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The folder of the package, a URL with a slash at its end. It is looked for, since the bundler puts this file's code
 * elsewhere than the compiler does.
 */
const ROOT = findRoot(new URL('.', import.meta.url));

function findRoot(folder: URL): URL {
  if (existsSync(new URL('package.json', folder))) return folder;
  const above = new URL('..', folder);
  if (above.href === folder.href) throw new Error(`no package.json above ${import.meta.url}; install again`);
  return findRoot(above);
}

/** The path of a file or folder of the package, given as from its root: `scripts/`. */
export function packagePath(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}

/** The command line, to be started by `process.execPath`. */
export const MAIN = packagePath('dist/cli/main.js');
