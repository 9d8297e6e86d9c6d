/**
 * Says whether the package can be released: `npm run release:check`. It packs, and writes the tarball and the list of parts
 * (SBOM) to build/release. Exit code 1 with a line for each reason against it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { examineAddon } from './addon.js';
import { compareContents } from './contents.js';
import { examineBundled, examineLicences, installedPackages } from './licences.js';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const RELEASE = join(CHECKOUT, 'build/release');

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function read(name: string): string {
  return readFileSync(join(CHECKOUT, name), 'utf8');
}

/** Packs with all addons and returns the paths in the tarball. */
function pack(): string[] {
  mkdirSync(RELEASE, { recursive: true });
  const env = { ...process.env };
  delete env.WANMARK_PREBUILDS;
  const argv = ['pack', '--json', '--pack-destination', RELEASE];
  const text = execFileSync('npm', argv, { cwd: CHECKOUT, env, encoding: 'utf8', maxBuffer: 1 << 26 });
  const [packed] = JSON.parse(text) as [
    { filename: string; size: number; files: readonly { path: string }[] },
  ];
  say(`${packed.filename}: ${packed.files.length} files, ${(packed.size / 1e6).toFixed(1)} MB`);
  return packed.files.map(({ path }) => path);
}

/** The version stands in package.json alone; the changelog begins with what is new in it. */
function examineVersion(version: string): string[] {
  const [, latest] = /^## (\S+)/m.exec(read('CHANGELOG.md')) ?? [];
  return latest === version ? [] : [`CHANGELOG.md begins with ${latest}, and package.json says ${version}`];
}

/** What is known against the packages that an installation brings. A registry that cannot be asked is no reason. */
function audit(): string[] {
  const argv = ['audit', '--omit=dev', '--json'];
  const { stdout } = spawnSync('npm', argv, { cwd: CHECKOUT, encoding: 'utf8', timeout: 60_000 });
  let answer: { vulnerabilities?: Readonly<Record<string, { severity: string }>> } = {};
  try {
    answer = JSON.parse(stdout);
  } catch {
    // What is not JSON is not an answer, as below.
  }
  if (answer.vulnerabilities === undefined) {
    say('npm audit: the registry could not be asked');
    return [];
  }
  const found = Object.entries(answer.vulnerabilities);
  say(`npm audit: ${found.length} known vulnerabilities`);
  return found.map(([name, { severity }]) => `${name} has a vulnerability (${severity}); see npm audit`);
}

/** Writes the parts of an installation as CycloneDX, by npm itself. */
function writeParts(version: string): void {
  const argv = ['sbom', '--omit=dev', '--sbom-format=cyclonedx', '--sbom-type=application'];
  const text = execFileSync('npm', argv, { cwd: CHECKOUT, encoding: 'utf8', maxBuffer: 1 << 26 });
  const parts = JSON.parse(text) as { bomFormat: string; components: readonly unknown[] };
  const path = join(RELEASE, `wanmark-${version}.cdx.json`);
  writeFileSync(path, text);
  say(`${path}: ${parts.bomFormat}, ${parts.components.length} components`);
}

const { version } = JSON.parse(read('package.json')) as { version: string };
const files = pack();
const addons = files.filter((file) => file.startsWith('prebuilds/'));
const packages = installedPackages(CHECKOUT);
writeParts(version);
const problems = [
  ...examineVersion(version),
  ...compareContents(files, read('packaging/npm/contents.txt')),
  ...addons.flatMap((path) => examineAddon(join(CHECKOUT, path), path.split('/')[1]!)),
  ...examineLicences(CHECKOUT, packages),
  ...examineBundled(read('dist/licences.txt')),
  ...audit(),
];
for (const problem of problems) say(`wanmark: ${problem}`);
say(`${packages.length} packages come along; ${problems.length} reasons against a release`);
process.exitCode = problems.length > 0 ? 1 : 0;
