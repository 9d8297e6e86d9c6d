import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Family } from '#wanmark/core/family.js';
import type { NewsItem } from '#wanmark/system/news.js';
import { RememberedWays } from '#wanmark/system/remembered-ways.js';

describe('remembered default ways', () => {
  let now = 0;
  let asked: Family[] = [];
  const make = () => {
    now = 0;
    asked = [];
    return new RememberedWays(
      () => now,
      (family) => {
        asked.push(family);
        return [{ index: 2, gateway: undefined, metric: now }];
      },
    );
  };
  const route = { kind: 'route', table: 254, dst: 'default', direct: [], leads: true } as const;

  it('are asked for once', () => {
    const memory = make();
    assert.deepEqual(memory.ways(4), memory.ways(4));
    memory.ways(6);
    assert.deepEqual(asked, [4, 6]);
  });

  for (const [what, item, again] of [
    ['a default route of main', { ...route, family: 4, leads: false }, [4]],
    ['a default route of another table', { ...route, family: 4, table: 1001 }, []],
    ['another route of main', { ...route, family: 6, dst: '2001:db8::/32' }, []],
    ['an ip rule', { kind: 'rule' }, []],
    ['a nexthop', { kind: 'nexthop' }, [4, 6]],
    ['an address', { kind: 'address', device: 'eth0', lost: true }, [4, 6]],
    ['a link', { kind: 'link', index: 2, device: 'eth0', lost: false }, [4, 6]],
    ['something unknown', { kind: 'unknown' }, [4, 6]],
  ] as const satisfies [string, NewsItem, Family[]][]) {
    it(`are asked for again ${again.length > 0 ? '' : 'not '}after ${what}`, () => {
      const memory = make();
      memory.ways(4);
      memory.ways(6);
      asked = [];
      memory.hear([item]);
      memory.ways(4);
      memory.ways(6);
      assert.deepEqual(asked, again);
    });
  }

  it('are asked for at each look for a second after a device’s news, and each five minutes', () => {
    const memory = make();
    memory.hear([{ kind: 'link', index: 2, device: 'eth0', lost: true }]);
    for (const [at, count] of [
      [0, 1],
      [999, 2],
      [1000, 3],
      [300_999, 3],
      [301_000, 4],
    ] as const) {
      now = at;
      memory.ways(4);
      assert.equal(asked.length, count, `${at} ms`);
    }
  });
});
