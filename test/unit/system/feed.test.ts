import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fedQueues, feeds, type QueueRange } from '#wanmark/system/feed.js';

function holds(range: QueueRange | undefined, num: number): boolean {
  return range !== undefined && num >= range.first && num <= range.last;
}

describe('feeds', () => {
  const lines: [string, number, boolean][] = [
    ['-A WANMARK -m conntrack --ctstate NEW -j NFQUEUE --queue-num 0 --queue-bypass', 0, true],
    ['-A WANMARK -j NFQUEUE --queue-num 1 --queue-bypass', 0, false],
    ['-A WANMARK -j NFQUEUE --queue-num 10', 1, false],
    ['-A X -j NFQUEUE --queue-balance 2:5 --queue-cpu-fanout', 5, true],
    ['-A X -j NFQUEUE --queue-balance 2:5', 6, false],
    ['-A X -j NFQUEUE --queue-balance 2:5', 1, false],
    ['-A WANMARK_NEW -m conntrack --ctstate NEW -j NFQUEUE --queue-balance 0:15 --queue-bypass', 15, true],
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
      assert.equal(holds(feeds(line), num), expected));
  }
});

describe('fedQueues', () => {
  it('is undefined when no rules can be read', async () => {
    assert.equal(await fedQueues(async () => ({ code: 127, stdout: '', stderr: '' })), undefined);
  });

  it('finds the rules of all variants', async () => {
    const says: Record<string, string> = {
      'ip6tables-save': '-A PREROUTING -j NFQUEUE --queue-balance 4:6\n-A PREROUTING -j ACCEPT\n',
      'iptables-legacy-save': '-A PREROUTING -j NFQUEUE --queue-num 3\n',
    };
    const run = async ([file]: readonly [string, ...string[]]) => ({
      code: 0,
      stdout: says[file] ?? '',
      stderr: '',
    });
    assert.deepEqual(await fedQueues(run), [
      { first: 4, last: 6 },
      { first: 3, last: 3 },
    ]);
  });
});
