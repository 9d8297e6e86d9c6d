/**
 * Command lines that the executor does not understand: each gets one line that says so, exit code 2, and nothing is
 * run.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ROOT } from '../docs/pages.js';
import { namespaces, needs } from '../helpers/requires.js';

const folder = mkdtempSync(join(tmpdir(), 'wanmark-executor-'));
after(() => rmSync(folder, { recursive: true }));

/** A plan's folder with no more than the command line is checked for. */
const plan = join(folder, 'plan');
mkdirSync(join(plan, 'want'), { recursive: true });
writeFileSync(join(plan, 'programs'), 'iptables\nip6tables\nnft\n');

function refuse(
  file: string,
  args: readonly string[],
  { env = {}, within = [] }: { env?: Record<string, string>; within?: readonly string[] } = {},
): string {
  const [command, ...rest] = [...within, 'sh', `${ROOT}scripts/${file}`, ...args];
  const { status, stdout, stderr } = spawnSync(command!, rest, {
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', WANMARK_RUN: join(folder, 'run'), ...env },
  });
  assert.equal(status, 2, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, /^wanmark: [^\n]*\n$/, 'one line');
  return stderr;
}

describe('scripts/wanmark.sh', () => {
  test('has four verbs, and a folder for each but down', () => {
    for (const args of [
      [],
      ['start', plan],
      ['up'],
      ['up', plan, 'now'],
      ['up', plan, '--ask', 'more'],
      ['check', plan, '--ask'],
      ['down', plan],
      ['--help'],
    ]) {
      const said = refuse('wanmark.sh', args);
      assert.match(
        said,
        /usage: .*wanmark\.sh up\|refresh\|check FOLDER \[--ask\], or .*wanmark\.sh down\n$/,
        args.join(' '),
      );
    }
  });

  test('says of a folder that it does not hold a plan', () => {
    for (const verb of ['up', 'refresh', 'check']) {
      for (const name of [folder, join(folder, 'absent'), '']) {
        assert.match(refuse('wanmark.sh', [verb, name]), /does not hold a plan; usage/);
      }
    }
  });

  test('names of programs are not commands', needs(namespaces), () => {
    const within = ['unshare', '-Urn'];
    for (const name of ['rm -rf', '-x', '$(id)', 'a;b']) {
      const said = refuse('wanmark.sh', ['down'], { env: { IPTABLES: name }, within });
      assert.equal(said, `wanmark: IPTABLES and IP6TABLES are names of programs, not '${name}'\n`);
    }
    const odd = join(folder, 'odd');
    mkdirSync(join(odd, 'want'), { recursive: true });
    writeFileSync(join(odd, 'programs'), 'iptables\nrm -rf\nnft\n');
    assert.match(refuse('wanmark.sh', ['up', odd], { within }), /names of programs, not 'rm -rf'/);
  });
});

test('scripts/rp-filter.sh takes 0, 1 or 2', () => {
  for (const args of [[], ['3'], ['1', '2'], ['strict']]) {
    assert.match(refuse('rp-filter.sh', args), /^wanmark: usage: .* 0\|1\|2 /);
  }
});
