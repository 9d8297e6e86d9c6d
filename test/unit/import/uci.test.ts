import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '#wanmark/errors.js';
import { readUci } from '#wanmark/import/uci/read.js';
import { readStatements } from '#wanmark/import/uci/words.js';

const words = (text: string) => readStatements('file', text).map(({ words: [...all] }) => all);

describe('the words of UCI', () => {
  for (const [name, text, expected] of [
    [
      'in single quotes, double quotes and none',
      `option a 'b c' "d e" f`,
      ['option', 'a', 'b c', 'd e', 'f'],
    ],
    ['with a quote as uci export writes it', `option a 'it'\\''s'`, ['option', 'a', "it's"]],
    [
      'with what a backslash escapes',
      String.raw`option a\ b "c\"d" 'e\f'`,
      ['option', 'a b', 'c"d', String.raw`e\f`],
    ],
    ['joined of parts', `option a b'c'"d"`, ['option', 'a', 'bcd']],
    ['that are empty', `option a ''`, ['option', 'a', '']],
    ['before a comment', `option a b # c 'd`, ['option', 'a', 'b']],
    ['with a # within', 'option a b#c', ['option', 'a', 'b#c']],
    ['with the ends of lines of other systems', 'option a b\r\n', ['option', 'a', 'b']],
  ] as const) {
    it(name, () => assert.deepEqual(words(text), [expected]));
  }

  it('may go over several lines, which are counted', () => {
    const statements = readStatements('file', `\n# one\noption a 'b\nc'\noption "d \\\ne" f\n\tlist g h`);
    assert.deepEqual(
      statements.map(({ words: [, ...rest], line }) => [line, ...rest]),
      [
        [3, 'a', 'b\nc'],
        [5, 'd \ne', 'f'],
        [7, 'g', 'h'],
      ],
    );
  });
});

describe('a UCI file', () => {
  const text = `package mwan3
config interface 'wan'
	option enabled '0'
	list track_ip '192.0.2.1'
	list track_ip '192.0.2.2'
	option enabled '1'
config interface
	option up ' 3 '
config rule 'wan'
package network
config interface 'wan'
	option device 'eth1'
package mwan3
config interface 'wan'
	option up '5'
`;
  const sections = readUci('file', text);

  it('has sections with options and lists, of which those of one kind and name are one', () => {
    assert.deepEqual(
      sections.map(({ package: pkg, type, name }) => [pkg, type, name]),
      [
        ['mwan3', 'interface', 'wan'],
        ['mwan3', 'interface', undefined],
        ['mwan3', 'rule', 'wan'],
        ['network', 'interface', 'wan'],
      ],
    );
    const [wan, unnamed] = sections;
    assert.deepEqual([wan!.isOn('enabled', false), wan!.get('up'), wan!.get('down')], [true, '5', undefined]);
    assert.deepEqual(wan!.all('track_ip'), ['192.0.2.1', '192.0.2.2']);
    assert.equal(unnamed!.get('up'), '3');
  });

  it('knows the line of each', () => {
    const [wan, unnamed] = sections;
    assert.equal(wan!.lineOf('enabled').line, 6);
    assert.equal(wan!.lineOfValue('track_ip', '192.0.2.2').line, 5);
    assert.deepEqual(wan!.lineOf('up'), { file: 'file', line: 15, text: "option up '5'" });
    assert.deepEqual(
      wan!.lines('track_ip', 'enabled').map(({ line }) => line),
      [2, 4, 5, 6],
    );
    assert.equal(unnamed!.lineOf('down').line, 7);
    assert.equal(unnamed!.title, 'the interface of line 7');
  });

  for (const [name, wrong, message] of [
    ['another word', 'config a\nset b', /^file:2: "set" is not a word of UCI/],
    ['an option in no section', "package a\noption b 'c'", /^file:2: this option stands in no section/],
    ['a value too many', 'config a b c', /^file:1: config has 3 words behind it/],
    ['an option without a value', 'config a\noption b', /^file:2: option has 1 words behind it/],
    ['a quote without an end', "config a\n\n\toption b 'c\nconfig d\n", /^file:3: the quote ' has no end/],
  ] as const) {
    it(`is refused in one line for ${name}`, () => {
      assert.throws(
        () => readUci('file', wrong),
        (error) =>
          error instanceof UsageError && message.test(error.message) && !error.message.includes('\n'),
      );
    });
  }
});
