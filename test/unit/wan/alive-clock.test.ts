import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AliveClock } from '#wanmark/wan/alive-clock.js';
import { FakeClock } from './fake-clock.js';

describe('an alive clock', () => {
  const made = () => {
    const other = new FakeClock();
    return { other, clock: new AliveClock(other) };
  };

  it('goes like the other one while timers are in time, or nearly so', async () => {
    const { other, clock } = made();
    const at: number[] = [];
    clock.after(50, () => at.push(clock.now()));
    await other.pass(40);
    other.stall(110);
    await other.pass(60);
    assert.deepEqual([at, clock.now()], [[150], 210]);
  });

  it('leaves out a standstill, once for all timers, before and after they have run', async () => {
    const { other, clock } = made();
    const at: number[] = [];
    for (const ms of [50, 70, 5000]) clock.after(ms, () => at.push(clock.now()));
    await other.pass(40);
    other.stall(3000);
    assert.equal(clock.now(), 50);
    await other.pass(1000);
    assert.deepEqual([at, clock.now()], [[50, 50], 1050]);
    other.stall(2000);
    assert.equal(clock.now(), 2010);
  });

  it('knows nothing of a standstill in which no timer was due, or one that was cancelled', async () => {
    const { other, clock } = made();
    const cancel = clock.after(50, () => assert.fail('it was cancelled'));
    cancel();
    cancel();
    clock.after(9000, () => undefined);
    other.stall(3000);
    await other.pass(0);
    assert.equal(clock.now(), 3000);
  });
});
