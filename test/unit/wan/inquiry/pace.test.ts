import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pace } from '#wanmark/wan/inquiry/pace.js';

/** How long after `now` the next inquiry may begin, in whole seconds. */
function pauseS(pace: Pace, broad: boolean, now: number): number {
  let s = 0;
  while (!pace.mayAsk(broad, now + 1000 * s)) s++;
  return s;
}

describe('Pace', () => {
  it('lets the first inquiry begin at once', () => {
    assert.equal(new Pace().mayAsk(false, 0), true);
  });

  it('doubles the pause with each inquiry that finds nothing, up to a minute', () => {
    const pace = new Pace();
    let now = 0;
    const pauses = Array.from({ length: 8 }, () => {
      pace.wasVain(now);
      const pause = pauseS(pace, false, now);
      now += 1000 * pause;
      return pause;
    });
    assert.deepEqual(pauses.slice(0, 5), [2, 4, 8, 16, 32]);
    assert.ok(
      pauses.slice(5).every((pause) => pause <= 60),
      pauses.join(),
    );
  });

  it('waits a second only where several clients and networks ask for it', () => {
    const pace = new Pace();
    for (let i = 0; i < 5; i++) pace.wasVain(0);
    assert.deepEqual([pauseS(pace, true, 0), pauseS(pace, false, 0)], [1, 32]);
  });

  it('is quick again after quiet, or when an inquiry found something', () => {
    const pace = new Pace();
    for (let i = 0; i < 5; i++) pace.wasVain(0);
    pace.wasVain(300_000);
    assert.equal(pauseS(pace, false, 300_000), 2);
    for (let i = 0; i < 5; i++) pace.wasVain(300_000);
    pace.wasNeeded(300_000);
    assert.equal(pauseS(pace, false, 300_000), 1);
  });
});
