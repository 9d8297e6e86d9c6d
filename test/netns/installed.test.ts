/**
 * The tarball, installed as users do: with no compiler and no headers on the machine, and without a script. It is run by
 * the Node of this run. WANMARK_INSTALLED_NODES=20,22,24 fetches each of these from npm, too, and
 * WANMARK_INSTALLED_TARBALL names another tarball, such as a release's (`npm run test:installed`).
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { packFreshClone } from '../helpers/tarball.js';

const NEEDS = needs(nfqueue, addon);
/** Programs that build, and what they read; iptables and ip need the library libmnl itself. */
const HIDDEN = ['g++', 'gcc', 'cc', 'c++', 'cpp', 'clang', 'make', 'python3', 'pkg-config', 'readelf'];

const folder = mkdtempSync(join(tmpdir(), 'wanmark-installed-'));
after(() => rmSync(folder, { recursive: true }));
const prefix = join(folder, 'prefix');
const home = join(prefix, 'lib/node_modules/wanmark');

/** Runs a program where what builds is hidden. */
function runBare(argv: readonly string[], node: string) {
  const hide = `
    for name in ${HIDDEN.join(' ')}; do
      for folder in $(echo "$PATH" | tr : ' '); do
        ! [ -e "$folder/$name" ] || mount --bind /dev/null "$(readlink -f "$folder/$name")"
      done
    done
    mount -t tmpfs hidden /usr/include
    exec "$@"`;
  const user = process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}`, WANMARK_ADDON: undefined };
  return spawnSync('unshare', [...user, '-m', 'sh', '-ec', hide, 'sh', ...argv], {
    cwd: home,
    env,
    encoding: 'utf8',
    timeout: 120_000,
  });
}

/** Fetches a Node from npm, which has its binary in a package. */
function fetchNode(major: string): string {
  const into = join(folder, `node-${major}`);
  const name = `node-linux-${process.arch}`;
  mkdirSync(into);
  execFileSync('npm', ['install', '--prefix', into, '--ignore-scripts', '--no-audit', `${name}@${major}`], {
    stdio: 'ignore',
  });
  return join(into, 'node_modules', name, 'bin/node');
}

describe('the tarball, installed where nothing can be compiled', NEEDS, () => {
  const tarball = process.env.WANMARK_INSTALLED_TARBALL ?? packFreshClone(folder).path;
  const majors = process.env.WANMARK_INSTALLED_NODES?.split(',') ?? [];
  const nodes = [process.execPath, ...majors.map(fetchNode)];
  execFileSync(
    'npm',
    [
      'install',
      '--global',
      '--prefix',
      prefix,
      '--ignore-scripts',
      '--prefer-offline',
      '--no-audit',
      tarball,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );

  it('has no addon but the one that was packed', () => {
    assert.equal(existsSync(join(home, 'build')), false);
    assert.equal(existsSync(join(home, 'prebuilds')), true);
  });

  for (const node of nodes) {
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    it(`decides with Node ${version}`, () => {
      const { status, stdout, stderr } = runBare([join(prefix, 'bin/wanmark'), 'lab', '--json'], node);
      assert.equal(status, 0, stderr);
      const { agree, connections, failed } = JSON.parse(stdout);
      assert.deepEqual({ agree, failed }, { agree: true, failed: 0 });
      assert.ok(connections >= 90);
    });
  }

  it('says in a line each what it lacks to build an addon', () => {
    const { status, stderr } = runBare(['npm', 'run', '--silent', 'build:native'], process.execPath);
    assert.equal(status, 1);
    const lines = stderr.trimEnd().split('\n');
    assert.deepEqual(
      lines.map(
        (line) => /^wanmark: the addon cannot be built without (a C\+\+|make|python3)/.exec(line)?.[1],
      ),
      ['a C++', 'make', 'python3'],
    );
  });
});
