import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bashCompletion } from '#wanmark/cli/completion/bash.js';
import { fishCompletion } from '#wanmark/cli/completion/fish.js';
import { zshCompletion } from '#wanmark/cli/completion/zsh.js';
import { describeCommands } from '#wanmark/cli/descriptions.js';
import { PACKAGES } from '../../helpers/beside.js';
import { needs, program, unpacked } from '../../helpers/requires.js';
import { runUnpacked } from '../../helpers/unpacked.js';

/** Has a folder `helpers`. */
const HERE = fileURLToPath(new URL('../../', import.meta.url));
const commands = await describeCommands();
const [bash, zsh, fish] = [bashCompletion, zshCompletion, fishCompletion].map((make) => make(commands)) as [
  string,
  string,
  string,
];

/** What bash offers for the last of the words, split as Readline does it. */
function offeredByBash(...words: readonly string[]): readonly string[] {
  const script = `${bash}\nCOMP_WORDS=("$@") COMP_CWORD=$(($# - 1))\n_wanmark\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
  const argv = ['--norc', '-c', script, 'bash', 'wanmark', ...words];
  return execFileSync('bash', argv, { encoding: 'utf8', cwd: HERE })
    .split('\n')
    .filter((line) => line !== '');
}

describe('completion in bash', needs(program('bash')), () => {
  it('has every command, and the options of each', () => {
    const names = commands.map(({ name }) => name);
    assert.deepEqual(offeredByBash(''), [...names, '--help', '--version']);
    for (const { name, options } of commands)
      assert.deepEqual(offeredByBash(name, '--'), ['--help', ...options.map((one) => `--${one.name}`)], name);
  });

  for (const [line, offered] of [
    [['st'], ['status']],
    [
      ['up', '--last-resort', ''],
      ['main', 'unreachable', 'blackhole'],
    ],
    [['up', '--engine', 'k'], ['kernel']],
    [['up', '--engine', '=', 'k'], ['kernel']],
    [
      ['up', '--engine', '='],
      ['nfqueue', 'kernel'],
    ],
    [['up', '--verbose', '--en'], ['--engine']],
    [['up', '--mask', ''], []],
    [
      ['up', '--own', ''],
      ['on', 'off'],
    ],
    [['explain', '--own', 'r'], ['router']],
    [['status', 'c'], ['connections']],
    [
      ['set', 'fibre', 'st'],
      ['state=down', 'state=auto'],
    ],
    [['set', 'fibre', 'state', '=', 'd'], ['down']],
    [
      ['set', 'fibre', 'state', '='],
      ['down', 'auto'],
    ],
    [['import', 'm'], ['mwan3']],
    [['up', '--lan', 'lo'], ['lo']],
    [['run', '--hook-user', 'roo'], ['root']],
    [['up', '--config', 'hel'], ['helpers']],
    [['unknown', '--'], []],
  ] as const) {
    it(`after wanmark ${line.join(' ')}`, () => assert.deepEqual(offeredByBash(...line), offered));
  }
});

describe('completion in zsh', () => {
  it('is what zsh can read', needs(unpacked('usr/bin/zsh')), () => {
    assert.deepEqual(runUnpacked('usr/bin/zsh', ['-f', '-n', '-s'], zsh).stderr, '');
    assert.match(runUnpacked('usr/bin/zsh', ['-f', '-n', '-s'], `${zsh}}`).stderr, /parse error/);
  });

  it('has the options of each command, with their values', () => {
    for (const { name, options } of commands) {
      const [, clause = ''] = zsh.split(`\t\t${name})\n`);
      const [own = ''] = clause.split('\n\t\t\t;;');
      const found = [...own.matchAll(/^\t\t\t\t'\*?--([a-z-]+)=?\[/gm)].map(([, one]) => one);
      assert.deepEqual(
        found,
        options.map((one) => one.name),
        name,
      );
    }
    assert.match(zsh, /_alternative "words\\:word\\:\(weighted [^:]*\)" "files\\:file\\:_files"'/);
    assert.match(zsh, /'\*--engine=\[.*\]:nfqueue\|kernel:\(nfqueue kernel\)'/);
  });
});

describe('completion in fish', () => {
  /** What fish offers at the end of a line. */
  function offered(line: string): readonly string[] {
    const functions = `set fish_function_path ${PACKAGES}/usr/share/fish/functions\n`;
    const ask = `${functions}${fish}\ncomplete -C ${JSON.stringify(line)}\n`;
    const { stdout, stderr } = runUnpacked('usr/bin/fish', ['--no-config', '--command', ask]);
    assert.equal(stderr, '');
    return stdout.split('\n').flatMap((one) => (one === '' ? [] : [one.split('\t')[0]!]));
  }
  const here = needs(unpacked('usr/bin/fish'));

  it('has every command, and the options of each', here, () => {
    assert.deepEqual([...offered('wanmark ')].sort(), commands.map(({ name }) => name).sort());
    for (const { name, options } of commands) {
      const expected = ['--help', ...options.map((one) => `--${one.name}`)].sort();
      assert.deepEqual([...offered(`wanmark ${name} --`)].sort(), expected, name);
    }
  });

  it('has the values', here, () => {
    assert.deepEqual([...offered('wanmark up --engine ')].sort(), ['ahead', 'kernel', 'nfqueue']);
    assert.deepEqual(offered('wanmark up --mask '), []);
    assert.deepEqual(offered('wanmark status c'), ['connections']);
    assert.deepEqual(offered('wanmark up --lan lo'), ['lo']);
  });
});
