import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { doctorText } from '#wanmark/cli/doctor-text.js';
import type { Finding } from '#wanmark/doctor/examinations.js';

const LONG = 'ip -4 rule 20002 of somebody else takes every connection, so none is balanced '
  .repeat(3)
  .trim();
const FINDINGS: readonly Finding[] = [
  { examination: 'gateways', kind: 'silent', level: 'wrong', text: LONG, todo: LONG },
  { examination: 'dns', kind: 'server', level: 'warning', text: 'x', todo: 'y' },
  { examination: 'rules', kind: 'ok', level: 'ok', text: 'all there' },
];

describe('the text of doctor', () => {
  it('fits into 80 columns, and loses no word', () => {
    const text = doctorText(FINDINGS, false);
    for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
    const words = text.replaceAll(/\s+/g, ' ');
    assert.equal(words.split(LONG).length, 3);
    assert.match(text, /^wrong {4}gateways: ip -4 rule/);
    assert.match(text, /^ok {7}rules: all there$/m);
    assert.match(text, /\n1 ok, 1 warning, 1 wrong\n$/);
  });

  it('says in one line that all is well', () => {
    assert.match(doctorText(FINDINGS.slice(2), false), /\n\nall 1 well\n$/);
  });

  it('has colours only where they are wanted, and says the same without', () => {
    const coloured = doctorText(FINDINGS, true);
    assert.ok(coloured.includes('\x1b[31mwrong'));
    assert.equal(stripVTControlCharacters(coloured), doctorText(FINDINGS, false));
  });

  it('obeys nothing that others wrote', () => {
    const evil: Finding = {
      examination: 'dns',
      kind: 'server',
      level: 'warning',
      text: 'a\x1b[2Jb',
      todo: 'c\nd',
    };
    assert.equal(
      doctorText([evil], false).split('\n').slice(0, 2).join('|'),
      'warning  dns: a\\u001b[2Jb|         -> c\\u000ad',
    );
  });
});
