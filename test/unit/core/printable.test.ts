import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { printable, printableJson, printableLines } from '#wanmark/core/printable.js';

/** What terminals obey, and what turns a line around: each with its escape. */
const HARMFUL: readonly [string, string][] = [
  ['\x00', '\\u0000'],
  ['\x07', '\\u0007'],
  ['\n', '\\u000a'],
  ['\r', '\\u000d'],
  ['\x1b[31m', '\\u001b[31m'],
  ['\x7f', '\\u007f'],
  ['\x9b2J', '\\u009b2J'],
  ['\x9dA;pwn\x9c', '\\u009dA;pwn\\u009c'],
  ['\u202eevil', '\\u202eevil'],
  ['\u2066a\u2069', '\\u2066a\\u2069'],
  ['\u200f', '\\u200f'],
  ['\u2028', '\\u2028'],
  ['\u{e0041}', '\\udb40\\udc41'],
  ['\ud800', '\\ud800'],
];

describe('text from elsewhere', () => {
  it('keeps letters of all languages and shows what a terminal would obey', () => {
    const kept = 'Straße 市 عربي 🙂 "a\\b"';
    assert.equal(printable(kept), kept);
    for (const [text, shown] of HARMFUL) assert.equal(printable(`x${text}y`), `x${shown}y`);
    assert.equal(printableLines('a\x9b\nb\x1b\n'), 'a\\u009b\nb\\u001b\n');
  });

  it('is the same in JSON, without what a terminal would obey', () => {
    for (const [text] of HARMFUL) {
      const json = printableJson(`${JSON.stringify({ [text]: text })}\n`);
      assert.deepEqual(JSON.parse(json), { [text]: text });
      assert.doesNotMatch(json.trimEnd(), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    }
  });
});
