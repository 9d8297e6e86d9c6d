import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Paced } from '#wanmark/daemon/paced.js';

/** A `Paced` whose acts take the given time, on a clock of the test's own. */
function paced(t: TestContext, takesMs: number, restMs = 0) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const acted: number[] = [];
  const failing = { now: false };
  const failed = t.mock.fn();
  const it = new Paced(async () => {
    acted.push(now);
    await new Promise((resolve) => setTimeout(resolve, takesMs));
    if (failing.now) throw new Error('no');
    return restMs;
  }, failed);
  /** Lets time pass by the millisecond, with everything that each one sets off. */
  const pass = async (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now++;
      t.mock.timers.tick(1);
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
  };
  return { it, acted, pass, failing, failed };
}

describe('Paced', () => {
  it('waits for a burst’s end, and pauses', async (t) => {
    const { it, acted, pass } = paced(t, 100);
    it.request();
    it.request();
    await pass(400);
    it.request();
    await pass(2000);
    assert.deepEqual(acted, [100, 1100], 'nine times what it took, after 200');
  });

  it('does not make urgent requests wait, whatever rest it wanted', async (t) => {
    const { it, acted, pass } = paced(t, 100, 30_000);
    it.request();
    await pass(300);
    it.request();
    it.soon();
    it.soon();
    await pass(1000);
    assert.deepEqual(acted, [100, 330], '30 ms after the request, long after the end at 200');
  });

  it('acts once more, soon, when it was asked to while acting', async (t) => {
    const { it, acted, pass } = paced(t, 100);
    it.soon();
    await pass(50);
    it.soon();
    it.request();
    await pass(1000);
    assert.deepEqual(acted, [30, 180]);
  });

  it('makes urgent requests wait, too, when they do not end', async (t) => {
    const { it, acted, pass } = paced(t, 100);
    for (let i = 0; i < 240; i++) {
      it.soon();
      await pass(100);
    }
    assert.ok(acted.length > 60 && acted.length < 80, `${acted.length} in 24 s`);
    assert.equal(acted.at(-1)! - acted.at(-2)!, 1000);
  });

  it('acts again after an act that failed', async (t) => {
    const { it, acted, pass, failing, failed } = paced(t, 100);
    failing.now = true;
    it.request();
    await pass(1000);
    assert.equal(failed.mock.callCount(), 1);
    failing.now = false;
    it.soon();
    await pass(1000);
    assert.deepEqual(acted, [100, 1030]);
  });

  it('does nothing any more when it is stopped', async (t) => {
    const { it, acted, pass } = paced(t, 100);
    it.soon();
    it.stop();
    it.request();
    await pass(1000);
    assert.deepEqual(acted, []);
  });
});
