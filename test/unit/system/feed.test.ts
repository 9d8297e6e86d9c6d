import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { feeds, isFed } from '#wanmark/system/feed.js';

describe('feeds', () => {
  const lines: [string, number, boolean][] = [
    ['-A WANMARK -m conntrack --ctstate NEW -j NFQUEUE --queue-num 0 --queue-bypass', 0, true],
    ['-A WANMARK -j NFQUEUE --queue-num 1 --queue-bypass', 0, false],
    ['-A WANMARK -j NFQUEUE --queue-num 10', 1, false],
    ['-A X -j NFQUEUE --queue-balance 2:5 --queue-cpu-fanout', 5, true],
    ['-A X -j NFQUEUE --queue-balance 2:5', 6, false],
    ['-A X -j NFQUEUE', 0, true],
    ['-A X -j NFQUEUE', 1, false],
    ['-A X -p tcp -j ACCEPT', 0, false],
    ['		ct state new queue flags bypass to 0', 0, true],
    ['		queue num 4-6 bypass', 5, true],
    ['		queue num 4-6 bypass', 7, false],
    ['		tcp dport 80 accept', 0, false],
  ];
  for (const [line, num, expected] of lines) {
    it(`${expected ? 'sees' : 'sees no'} queue ${num} in ${line.trim()}`, () =>
      assert.equal(feeds(line, num), expected));
  }
});

describe('isFed', () => {
  it('is undefined when no rules can be read', async () => {
    assert.equal(await isFed(0, async () => ({ code: 127, stdout: '', stderr: '' })), undefined);
  });

  it('finds a rule of the legacy variant', async () => {
    const run = async ([file]: readonly [string, ...string[]]) => ({
      code: 0,
      stdout: file === 'iptables-legacy-save' ? '-A PREROUTING -j NFQUEUE --queue-num 3\n' : '',
      stderr: '',
    });
    assert.equal(await isFed(3, run), true);
    assert.equal(await isFed(4, run), false);
  });
});
