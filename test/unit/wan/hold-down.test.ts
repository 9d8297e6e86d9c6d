import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HoldDown } from '#wanmark/wan/hold-down.js';

describe('the hold-down', () => {
  it('doubles up to five minutes', () => {
    const hold = new HoldDown();
    const holds = Array.from({ length: 9 }, () => hold.wentDown(1000) / 1000);
    assert.deepEqual(holds, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
  });

  it('goes back a step for each five minutes up', () => {
    const hold = new HoldDown();
    for (let i = 0; i < 4; i++) hold.wentDown(0);
    assert.equal(hold.wentDown(10 * 60_000), 20_000);
    assert.equal(hold.wentDown(60 * 60_000), 0);
    assert.equal(hold.wentDown(0), 10_000);
  });
});

describe('the hold-down of brief outages', () => {
  const MINUTE = 60_000;

  it('forgives three in a minute of being up, and counts them with one more', () => {
    const hold = new HoldDown();
    for (let i = 0; i < 3; i++) {
      assert.equal(hold.forgives(1000), true);
      hold.forgave();
    }
    assert.equal(hold.forgives(1000), false);
    assert.equal(hold.wentDown(1000), 40_000);
    assert.equal(hold.forgives(1000), false, 'the hold of 40 s was no time of being up');
    assert.equal(hold.wentDown(1000), 80_000);
    assert.equal(hold.forgives(MINUTE), true);
  });

  it('does not count those that are a minute apart, nor with an outage that lasts', () => {
    const hold = new HoldDown();
    for (let i = 0; i < 9; i++) {
      assert.equal(hold.forgives(MINUTE / 3), true);
      hold.forgave();
    }
    hold.forgives(MINUTE / 3);
    assert.equal(hold.wentDown(MINUTE / 3), 0);
  });
});
