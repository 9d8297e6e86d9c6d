import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ROOT } from '../../docs/pages.js';
import { runCli } from '../../helpers/cli.js';

const FIXTURES = `${ROOT}test/unit/import/fixtures`;

/** Standard output without comments, as the golden file has it. */
const withoutComments = (text: string) => text.replaceAll(/^ *#.*\n/gm, '');

describe('wanmark import', () => {
  it('prints the configuration, and ends with 0 when all is said', async () => {
    const { code, stdout, stderr } = await runCli('import', 'vyos', `${FIXTURES}/vyos`);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^# From .*fixtures\/vyos, by wanmark import vyos\.\n/);
    assert.equal(withoutComments(stdout), withoutComments(readFileSync(`${FIXTURES}/vyos.yaml`, 'utf8')));
  });

  it('says what is lost with file and line, and ends with 1', async () => {
    const { code, stdout, stderr } = await runCli('import', 'mwan3', `${FIXTURES}/odd`);
    assert.equal(code, 1);
    // The devices are known from the file "network" beside it.
    assert.match(stdout, /dev: pppoe-dsl/);
    const lines = stderr.trimEnd().split('\n');
    assert.equal(lines.length, readFileSync(`${FIXTURES}/odd.txt`, 'utf8').trimEnd().split('\n').length);
    for (const line of lines) assert.match(line, /^wanmark: \/.*\/fixtures\/odd:\d+: (lost|note): ./);
    assert.match(stderr, /:62: note: "default" is a word of mwan3's own.* \(also line 86\)\n/);
  });

  for (const [name, args, message] of [
    ['no program', [], /import needs the name of a program/],
    ['an unknown program', ['mwan'], /unknown program "mwan"; did you mean "mwan3"\?/],
    ['no such file', ['mwan3', '/nonexistent'], /cannot read \/nonexistent/],
    [
      'a network file for VyOS',
      ['vyos', `${FIXTURES}/vyos`, '--network', 'x'],
      /--network is for mwan3 alone/,
    ],
    [
      'a file of another program',
      ['mwan3', `${FIXTURES}/vyos`],
      /vyos:1: "load-balancing" is not a word of UCI/,
    ],
  ] as const) {
    it(`prints nothing but one line, and ends with 2, with ${name}`, async () => {
      const { code, stdout, stderr } = await runCli('import', ...args);
      assert.deepEqual([code, stdout, stderr.split('\n').length], [2, '', 2], stderr);
      assert.match(stderr, message);
    });
  }
});
