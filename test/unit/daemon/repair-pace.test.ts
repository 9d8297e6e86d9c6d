import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RepairPace } from '#wanmark/daemon/repair-pace.js';

describe('RepairPace', () => {
  it('leaves a second between repairs, and half a minute once there were 15 in a minute', () => {
    let now = 0;
    const pace = new RepairPace(() => now);
    for (let i = 1; i < 15; i++) {
      assert.deepEqual([pace.repaired(), pace.fighting], [1000, false], `repair ${i}`);
      now += 1000;
    }
    assert.deepEqual([pace.repaired(), pace.fighting], [30_000, true]);
    now += 30_000;
    assert.equal(pace.repaired(), 30_000, 'further repairs do not get more');
  });

  it('has forgotten a fight after a quiet minute', () => {
    let now = 0;
    const pace = new RepairPace(() => now);
    for (let i = 0; i < 20; i++) pace.repaired();
    now += 60_000;
    assert.deepEqual([pace.repaired(), pace.fighting], [1000, false]);
  });

  it('tries a failed repair again after five seconds', () => {
    assert.equal(new RepairPace(() => 0).failed(), 5000);
  });
});
