import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { thinnedRound, thinnedTable } from '#wanmark/core/thinned.js';

/** How often each index is in the places. */
function counts(places: Uint16Array, count: number): number[] {
  const all = Array.from({ length: count }, () => 0);
  for (const index of places) all[index]!++;
  return all;
}

/** Gives to those of these indexes in turn. */
const turns =
  (...indexes: number[]) =>
  (count: number) =>
    new Uint16Array(count).map((_, i) => indexes[i % indexes.length]!);

describe('choices while a candidate warms up', () => {
  it('that go round give it its part exactly, evenly, and the rest to the others', () => {
    const round = Uint16Array.of(0, 1, 2);
    const places = thinnedRound(round, { parts: [1, 0.25, 1], others: turns(0, 2) });
    assert.equal(places.length, 258);
    const [a, b, c] = counts(places, 3);
    assert.equal(b, Math.floor(86 * 0.25));
    assert.ok(Math.abs(a! - c!) <= 1, `${a} and ${c}`);
    const at = [...places].flatMap((index, i) => (index === 1 ? [i] : []));
    assert.ok(at.every((place, i) => i === 0 || place - at[i - 1]! === 12));
  });

  it('are as they were where all are warm, or none is, or nobody else is found', () => {
    const round = Uint16Array.of(0, 1);
    const none = () => new Uint16Array(0);
    for (const parts of [
      [1, 1],
      [0.1, 0.5],
    ])
      for (const thin of [thinnedRound, thinnedTable])
        assert.deepEqual(thin(round, { parts, others: none }), round);
    assert.deepEqual(thinnedRound(round, { parts: [1, 0.5], others: none }), round);
    assert.deepEqual(thinnedTable(round, { parts: [1, 0.5], others: none }), round);
    assert.deepEqual(thinnedRound(new Uint16Array(0), { parts: [1, 0.5], others: none }), new Uint16Array(0));
  });

  it('by a hash leave it those places that it has, while its part grows', () => {
    const table = new Uint16Array(4096).map((_, i) => i % 2);
    let before = new Set<number>();
    for (const part of [0.1, 0.3, 0.5, 0.9]) {
      const places = thinnedTable(table, { parts: [1, part], others: turns(0) });
      const its = new Set([...places].flatMap((index, place) => (index === 1 ? [place] : [])));
      assert.ok(Math.abs(its.size / 2048 - part) < 0.05, `${its.size} of 2,048 for ${part}`);
      for (const place of before) assert.ok(its.has(place));
      for (const place of its) assert.equal(table[place], 1);
      before = its;
    }
  });
});
