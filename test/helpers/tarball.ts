import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addonTarget } from '#wanmark/native.js';

/** The root of the checkout. */
export const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));

const SOURCES = ['native', 'packaging', 'scripts', 'examples', 'src', 'web', 'docs', 'man'];
const MANIFESTS = ['package.json', 'package-lock.json', 'binding.gyp', 'tsconfig.base.json'];
const TEXTS = ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md'];

export interface Tarball {
  readonly path: string;
  /** Paths inside the package, such as `dist/index.js`. */
  readonly files: readonly string[];
}

/**
 * Packs the package from a fresh clone, in which nothing is built and only the npm packages are installed. Of the
 * prebuilt addons it has the one for this machine, and that is the one that the set-up of the tests has built: those for
 * a release take another compiler and many minutes.
 *
 * @param folder an empty directory for the clone and the tarball; the caller removes it
 */
export function packFreshClone(folder: string): Tarball {
  const clone = join(folder, 'clone');
  mkdirSync(clone);
  for (const name of [...SOURCES, ...MANIFESTS, ...TEXTS]) {
    const filter = (path: string) => basename(path) !== 'node_modules';
    cpSync(join(CHECKOUT, name), join(clone, name), { recursive: true, filter });
  }
  linkPackages(clone);
  const prebuilt = join(clone, 'prebuilds', addonTarget());
  mkdirSync(prebuilt, { recursive: true });
  cpSync(join(CHECKOUT, 'build/Release/nfqueue.node'), join(prebuilt, 'nfqueue.node'));
  const argv = ['pack', '--json', '--pack-destination', folder];
  const stdout = execFileSync('npm', argv, {
    cwd: clone,
    env: { ...process.env, WANMARK_PREBUILDS: addonTarget() },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  return { path: join(folder, packed.filename), files: packed.files.map(({ path }) => path) };
}

/**
 * Gives `project` our npm packages. Its node_modules is a folder of its own with links to ours, so that an `npm ci`
 * there would remove the links and not our packages.
 */
function linkPackages(project: string): void {
  const [ours, theirs] = [join(CHECKOUT, 'node_modules'), join(project, 'node_modules')];
  mkdirSync(theirs);
  for (const name of readdirSync(ours)) symlinkSync(join(ours, name), join(theirs, name));
  // By the time of this file the set-up sees that nothing has to be installed.
  rmSync(join(theirs, '.package-lock.json'), { force: true });
  writeFileSync(join(theirs, '.package-lock.json'), '{}');
}

/** Makes a project that has only the tarball installed, with its dependencies and the packages of `more`. */
export function installTarball(tarball: Tarball, project: string, more: readonly string[]): void {
  const installed = join(project, 'node_modules', 'wanmark');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', tarball.path, '-C', installed, '--strip-components=1']);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of [...Object.keys(manifest.dependencies), ...more]) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(CHECKOUT, 'node_modules', name), link);
  }
}
