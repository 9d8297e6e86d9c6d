import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IdlePace } from '#wanmark/daemon/idle-pace.js';

/** How many of a hundred turns of half a second look, when each look takes so long. */
function looks(factor: number, tookMs: number): number {
  const pace = new IdlePace(factor);
  return Array.from({ length: 100 }, () => {
    const due = pace.isDue(500);
    if (due) pace.looked(tookMs);
    return due;
  }).filter(Boolean).length;
}

describe('the pace of looks that nothing asked for', () => {
  it('is that of the timer while a look is cheap', () => {
    assert.equal(looks(400, 0.15), 100);
  });

  it('leaves turns out for a look that is not, so that all together take no more than their part', () => {
    assert.equal(looks(400, 5), 25);
    assert.equal(looks(400, 50), 3);
  });
});
