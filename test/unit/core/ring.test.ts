import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Counts } from '#wanmark/core/counts.js';
import { choosesAhead, MOST_ROUND, Ring, SAID_AHEAD, TABLE_PLACES } from '#wanmark/core/ring.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import type { Strategy } from '#wanmark/core/strategy.js';
import { fillTable } from '#wanmark/core/table.js';
import type { Wan } from '#wanmark/core/wan.js';
import { seeded } from '../../helpers/random.js';
import { flow, wan } from '../flows.js';

/** A strategy, the connections that it sees, and its ring. */
function make(name: string, wans: readonly Wan[]) {
  const live = new Map<number, number>();
  const counts = new Counts();
  counts.source = (mark) => live.get(mark) ?? 0;
  const { connections } = counts;
  const strategy = STRATEGIES.get(name)!({ random: seeded(1), now: () => 0, connections });
  const connect = (index: number, more = 1) =>
    live.set(wans[index]!.mark, (live.get(wans[index]!.mark) ?? 0) + more);
  return { strategy, live, connect, ring: new Ring(strategy, wans, counts, assert.fail) };
}

describe('a ring', () => {
  it('of weighted gives exact shares in any run, also over its end', () => {
    const random = seeded(3);
    for (let round = 0; round < 50; round++) {
      const wans = Array.from({ length: 1 + Math.floor(random() * 5) }, (_, i) =>
        wan(i + 1, { weight: (1 + Math.floor(random() * 9)) * (round % 2 === 0 ? 1 : 10) }),
      );
      const { ring } = make('weighted', wans);
      assert.equal(ring.isLasting, true);
      const places = ring.next(0)!;
      assert.equal(ring.next(5), undefined, 'it stays as it is');
      const sum = wans.reduce((total, { weight }) => total + weight, 0);
      assert.equal(sum % places.length, 0);
      for (let start = 0; start < places.length; start++) {
        const seen = wans.map(() => 0);
        for (let i = 0; i < sum; i++) seen[places[(start + i) % places.length]!]!++;
        assert.deepEqual(
          seen,
          wans.map(({ weight }) => weight),
        );
      }
    }
  });

  it('of those that go round is one round', () => {
    const wans = [wan(1, { weight: 4 }), wan(2, { weight: 2 })];
    for (const [name, places] of [
      ['weighted', [0, 1, 0]],
      ['round-robin', [0, 1]],
      ['failover', [0]],
    ] as const) {
      assert.deepEqual([...make(name, wans).ring.next(0)!], places, name);
    }
  });

  it('that would be too long is what comes next, and is replaced as it is used', () => {
    const wans = [wan(1, { weight: MOST_ROUND }), wan(2, { weight: 1 })];
    const { ring } = make('weighted', wans);
    assert.equal(ring.isLasting, false);
    let used: number[] = [];
    for (let i = 0; i < 60; i++) {
      const places = ring.next(i === 0 ? 0 : 100)!;
      assert.equal(places.length, SAID_AHEAD);
      used = [...used, ...places.subarray(0, 100)];
    }
    assert.equal(used.slice(0, MOST_ROUND + 1).filter((index) => index === 1).length, 1);
  });

  it('of a hash is its table', () => {
    const wans = [wan(1), wan(2), wan(3, { weight: 2 })];
    const { ring, strategy } = make('source-hash', wans);
    const table = new Uint16Array(TABLE_PLACES);
    fillTable(strategy.table!, wans, table);
    assert.deepEqual(ring.next(0), table);
    assert.equal(ring.isLasting, true);
    assert.equal(ring.next(0), undefined);
  });

  it('of least-connections follows the counts, and goes on behind what was used', () => {
    const wans = [wan(1), wan(2)];
    const { ring, connect } = make('least-connections', wans);
    const first = ring.next(0)!;
    assert.deepEqual([...first.subarray(0, 4)], [0, 1, 1, 0]);
    assert.equal(ring.next(0), undefined, 'nothing has changed');
    for (const index of first.subarray(0, 3)) connect(index);
    assert.equal(ring.next(3)![0], 0, 'the one that has fewer');
    connect(0, 10);
    const after = ring.next(0)!;
    assert.ok(after.subarray(0, 9).every((index) => index === 1));
    assert.ok(after.subarray(9, 13).includes(0));
  });

  it('is the same as picks whatever is used and however often it is replaced', () => {
    const wans = [wan(1, { weight: 3 }), wan(2), wan(3, { weight: 2 })];
    const ahead = make('least-connections', wans);
    const asked = make('least-connections', wans);
    const random = seeded(9);
    let places = ahead.ring.next(0)!;
    for (let i = 0; i < 200; i++) {
      const used = places.slice(0, Math.floor(random() * 40));
      for (const index of used) {
        assert.equal(wans.indexOf(asked.strategy.pick(flow(), wans) as Wan), index);
        asked.connect(index);
        ahead.connect(index);
      }
      const [gone, count] = [Math.floor(random() * 3), -Math.floor(random() * 5)];
      if ((ahead.live.get(gone + 1) ?? 0) + count >= 0) {
        ahead.connect(gone, count);
        asked.connect(gone, count);
      }
      places = ahead.ring.next(used.length) ?? places.subarray(used.length);
    }
  });

  it('takes no period that is none', () => {
    for (const period of [0, -1, 1.5, Number.NaN]) {
      const strategy: Strategy = {
        sequence: { turns: () => [], period: () => period },
        pick: (_flow, wans) => wans[0]!,
      };
      assert.equal(new Ring(strategy, [wan(1)], undefined, assert.fail).next(0)!.length, SAID_AHEAD);
    }
  });

  it('has no places where the strategy fails', () => {
    const faults: string[] = [];
    const onFault = (fault: string) => faults.push(fault);
    const bad: Strategy[] = [
      { sequence: { turns: () => [] }, pick: () => wan(9) },
      { table: { fields: ['src'], at: () => wan(9) }, pick: () => wan(9) },
    ];
    for (const strategy of bad)
      assert.equal(new Ring(strategy, [wan(1)], undefined, onFault).next(0)!.length, 0);
    assert.deepEqual(faults, ['returned no candidate', 'threw']);
  });

  it('is what every built-in strategy has, and not one of pick alone', () => {
    for (const name of STRATEGIES.keys()) assert.ok(choosesAhead(make(name, [wan(1)]).strategy), name);
    assert.equal(choosesAhead({ pick: (_flow, wans) => wans[0]! }), false);
  });
});
