import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { logText } from '#wanmark/log-text.js';

const TIME = new Date(2026, 10, 30, 4, 5, 6, 7).getTime();

describe('a line of the log on a terminal', () => {
  it('begins with the time, the severity and what happened', () => {
    const text = (level: number) =>
      stripVTControlCharacters(logText({ level, time: TIME, msg: 'wan down' }, true));
    const severities = [20, 30, 40, 50].map(text);
    assert.deepEqual(
      severities,
      ['DEBUG', 'INFO', 'WARN', 'ERROR'].map((name) => `[04:05:06.007] ${name}: wan down\n`),
    );
  });

  it('has each field on a line below, lists and objects on several', () => {
    const line = { level: 40, time: TIME, wan: 'fibre', family: 4, missing: ['a', 'b'], since: null };
    const text = stripVTControlCharacters(logText({ ...line, msg: 'm' }, true));
    const [, ...fields] = text.split('\n');
    assert.deepEqual(fields, [
      '    wan: fibre',
      '    family: 4',
      '    missing: [',
      '      "a",',
      '      "b"',
      '    ]',
      '    since: null',
      '',
    ]);
  });

  it('has the colour of its severity', () => {
    const text = logText({ level: 50, time: TIME, msg: 'no' }, true);
    assert.ok(text.includes('\x1b[31mERROR\x1b[39m'), JSON.stringify(text));
  });

  it('has none where the terminal is to get none', () => {
    const text = logText({ level: 40, time: TIME, msg: 'no', wan: 'fibre' }, false);
    assert.equal(text, '[04:05:06.007] WARN: no\n    wan: fibre\n');
  });
});
