import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatCounts, parseCounts } from '#wanmark/daemon/counts-file.js';
import { withShares } from '#wanmark/daemon/shares.js';

const base = { dev: 'eth1', connections: 0, state: 'up', tier: 1, weight: 1, picks: 0 } as const;

describe('withShares', () => {
  it('makes targets from the weights of the lowest tier that takes connections', () => {
    const wans = withShares([
      { ...base, name: 'a', mark: 1, weight: 3, picks: 8 },
      { ...base, name: 'b', mark: 2, weight: 1, picks: 2 },
      { ...base, name: 'c', mark: 3, weight: 0, state: 'drain' },
      { ...base, name: 'd', mark: 4, weight: 9, state: 'down' },
      { ...base, name: 'e', mark: 5, weight: 5, tier: 2 },
    ]);
    assert.deepEqual(
      wans.map(({ name, share, target }) => [name, share, target]),
      [
        ['a', 0.8, 0.75],
        ['b', 0.2, 0.25],
        ['c', 0, 0],
        ['d', 0, 0],
        ['e', 0, 0],
      ],
    );
  });

  it('is 0 throughout before the first decision and when all are down', () => {
    const [wan] = withShares([{ ...base, name: 'a', mark: 1, state: 'down' }]);
    assert.deepEqual([wan!.share, wan!.target], [0, 0]);
  });
});

describe('the target of a suspected WAN', () => {
  const a = { ...base, name: 'a', mark: 1, state: 'suspected', weight: 3 } as const;
  const targets = (...wans: Parameters<typeof withShares>[0]) => withShares(wans).map(({ target }) => target);

  it('is 0 while another one is up, and by its weight where all are suspected, which then have the connections', () => {
    assert.deepEqual(targets(a, { ...base, name: 'b', mark: 2 }), [0, 1]);
    const down = { ...base, name: 'c', mark: 3, state: 'down' } as const;
    assert.deepEqual(targets(a, { ...a, name: 'b', mark: 2, weight: 1 }, down), [0.75, 0.25, 0]);
  });
});

describe('counts in the form of marks_stats.csv', () => {
  it('are read with blanks, blank lines and a heading, and written so that they read back', () => {
    const counts = parseCounts('connections, mark\n200, 1\n\n 0,2 \n17,10\r\n');
    assert.deepEqual(
      [...counts],
      [
        [1, 200],
        [2, 0],
        [10, 17],
      ],
    );
    assert.deepEqual(parseCounts(formatCounts(counts)), counts);
  });

  for (const text of ['200', '200, 1, 3', '-5, 1', '1.5, 2', '200; 1', '200, x']) {
    it(`refuse "${text}" by its line`, () => {
      assert.throws(() => parseCounts(`1, 1\n${text}\n`), /^Error: line 2 is not "connections, mark"$/);
    });
  }
});
