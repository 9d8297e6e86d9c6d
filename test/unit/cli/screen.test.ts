import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clip, fitted, type Line, lineText, lineWidth, wrap } from '#wanmark/cli/screen/line.js';
import { table } from '#wanmark/cli/screen/table.js';
import { bytesText, rateText } from '#wanmark/cli/units.js';
import { wantsColours } from '#wanmark/core/colours.js';

const LINE: Line = ['fibre ', { text: 'down', style: 'bad' }, ' for 2 s'];

describe('a line of the screen', () => {
  it('has colours where they are wanted, and the same text without', () => {
    assert.equal(lineText(LINE, false), 'fibre down for 2 s');
    assert.equal(lineText(LINE, true), 'fibre \x1b[31mdown\x1b[0m for 2 s');
    assert.equal(lineWidth(LINE), 18);
  });

  it('shows nothing that a terminal obeys but its own colours', () => {
    const line: Line = ['a\x1b[2Jb', { text: '\x9bc\u202e', style: 'good' }];
    assert.equal(lineText(line, true), 'a\\u001b[2Jb\x1b[32m\\u009bc\\u202e\x1b[0m');
  });

  it('is cut to a width, and says so', () => {
    assert.equal(lineText(clip(LINE, 9), false), 'fibre do~');
    assert.equal(lineText(clip(LINE, 18), false), 'fibre down for 2 s');
    assert.equal(lineText(clip(LINE, 1), false), '~');
    assert.equal(lineText(clip(LINE, 0), false), '');
    assert.equal(lineWidth(clip(['x\x1b'.repeat(20)], 10)), 10);
  });

  it('is broken at spaces, with an indent, and anywhere where there are none', () => {
    assert.deepEqual(wrap('one two three four', 10), ['one two', 'three four'], 'too narrow for an indent');
    const words = 'one two three four five six seven';
    assert.deepEqual(wrap(words, 22), ['one two three four', '  five six seven']);
    assert.deepEqual(wrap('short', 10), ['short']);
    const text = `${'word '.repeat(30)}${'x'.repeat(100)}`;
    for (const width of [1, 2, 7, 40, 80]) {
      const lines = wrap(text, width);
      assert.ok(
        lines.every((line) => line.length <= width),
        `${width}`,
      );
      assert.equal(lines.join('').replaceAll(' ', ''), text.replaceAll(' ', ''));
    }
  });

  it('gets colours on a terminal, unless the user or the terminal refuses them', () => {
    assert.equal(wantsColours(true, { TERM: 'xterm' }), true);
    assert.equal(wantsColours(true, { NO_COLOR: '1' }), false);
    assert.equal(wantsColours(true, { NO_COLOR: '' }), true, 'empty means nothing');
    assert.equal(wantsColours(true, { TERM: 'dumb' }), false);
    assert.equal(wantsColours(false, {}), false);
    assert.equal(wantsColours(undefined, {}), false);
  });
});

describe('lines of a screen', () => {
  it('fit its width; those that had to be broken have no colours', () => {
    assert.deepEqual(fitted([LINE, ['x'.repeat(30)]], 22, true), [
      'fibre \x1b[31mdown\x1b[0m for 2 s',
      'x'.repeat(22),
      `  ${'x'.repeat(8)}`,
    ]);
  });
});

describe('a table', () => {
  const columns = [
    { head: 'WAN', left: true as const },
    { head: 'picks', drop: 2 },
    { head: 'tier', drop: 1 },
    { head: 'state', left: true as const },
  ];
  const rows = [
    ['fibre', '1234567', '1', { text: 'up', style: 'good' as const }],
    ['lte', '8', '2', { text: 'suspected', style: 'warn' as const }],
  ];
  const lines = (width: number) => table(columns, rows, width).map((line) => lineText(line, false));

  it('has words on the left, numbers on the right, and no spaces at its end', () => {
    assert.deepEqual(lines(80), [
      'WAN      picks  tier  state',
      'fibre  1234567     1  up',
      'lte          8     2  suspected',
    ]);
  });

  it('leaves out what may go where there is not enough room', () => {
    assert.deepEqual(lines(25), ['WAN    tier  state', 'fibre     1  up', 'lte       2  suspected']);
    assert.deepEqual(lines(10), ['WAN    state', 'fibre  up', 'lte    suspected']);
  });
});

describe('units', () => {
  it('have three digits at most and a decimal prefix', () => {
    for (const [value, text] of [
      [0, '0 B'],
      [999, '999 B'],
      [1000, '1.0 kB'],
      [94_249_000, '94.2 MB'],
      [99_960, '100 kB'],
      [999_600, '1.0 MB'],
      [2 ** 53, '9.0 PB'],
      [1e21, '1000000 PB'],
    ] as const) {
      assert.equal(bytesText(value), text);
    }
    assert.deepEqual([rateText(1500), rateText(0), rateText(null)], ['1.5 kb/s', '0 b/s', '-']);
  });
});
