import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Rate } from '#wanmark/wan/passive/rate.js';

describe('Rate', () => {
  it('knows the part of the answers that was late; none of none', () => {
    const rate = new Rate();
    assert.deepEqual([rate.share(0), rate.total(0)], [0, 0]);
    for (let i = 0; i < 4; i++) rate.add(i === 0, 0);
    assert.deepEqual([rate.late(0), rate.total(0), rate.share(0)], [1, 4, 0.25]);
  });

  it('forgets half in a minute, or in the time that it is given', () => {
    for (const [rate, halfLifeMs] of [
      [new Rate(), 60_000],
      [new Rate(5000), 5000],
    ] as const) {
      for (let i = 0; i < 8; i++) rate.add(i < 2, 0);
      assert.deepEqual([rate.late(halfLifeMs), rate.total(halfLifeMs)], [1, 4]);
      assert.equal(rate.share(3 * halfLifeMs), 0.25, 'the part stays');
    }
  });
});
