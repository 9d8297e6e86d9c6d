import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));

const SOURCES = ['native', 'scripts', 'examples', 'src'];
const FILES = ['package.json', 'package-lock.json', 'binding.gyp', 'tsconfig.base.json', 'CHANGELOG.md'];

export interface Tarball {
  readonly path: string;
  /** Paths inside of it, as `dist/index.js`. */
  readonly files: readonly string[];
}

/**
 * Packs the package as a fresh clone would: nothing is built there, only the npm packages are installed.
 *
 * @param folder an empty directory for the clone and the tarball; the caller removes it
 */
export function packFreshClone(folder: string): Tarball {
  const clone = join(folder, 'clone');
  mkdirSync(clone);
  for (const name of [...SOURCES, ...FILES]) {
    cpSync(join(CHECKOUT, name), join(clone, name), { recursive: true });
  }
  linkPackages(clone);
  const argv = ['pack', '--json', '--pack-destination', folder];
  const stdout = execFileSync('npm', argv, {
    cwd: clone,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  return { path: join(folder, packed.filename), files: packed.files.map(({ path }) => path) };
}

/**
 * Gives `project` our npm packages. The folder is its own and only what is in it is linked: an `npm ci` that came by would
 * take away the links and not our packages.
 */
function linkPackages(project: string): void {
  const [ours, theirs] = [join(CHECKOUT, 'node_modules'), join(project, 'node_modules')];
  mkdirSync(theirs);
  for (const name of readdirSync(ours)) symlinkSync(join(ours, name), join(theirs, name));
  // By its time the set-up knows that nothing is to be installed.
  rmSync(join(theirs, '.package-lock.json'), { force: true });
  writeFileSync(join(theirs, '.package-lock.json'), '{}');
}
