import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AnswerTimes, FIRST_SYN_MS, LATER_SYN_MS } from '#wanmark/wan/passive/answer-times.js';

/** A WAN that answered so many connections, each last seen unanswered at an age. */
function after(...answers: readonly [times: number, leastMs: number][]) {
  const it = new AnswerTimes();
  for (const [times, leastMs] of answers) for (let i = 0; i < times; i++) it.add(leastMs, 0);
  return it;
}

describe('AnswerTimes', () => {
  it('calls an age of half a second usual for a WAN that nothing is known of', () => {
    assert.deepEqual([after().usualMs(0), after().patienceMs(0)], [500, FIRST_SYN_MS]);
  });

  it('calls a WAN prompt after many answers, nearly all of them at once', () => {
    assert.equal(after([19, 0]).usualMs(0), 500, 'too few');
    assert.equal(after([50, 0]).usualMs(0), 250);
    assert.equal(after([50, 0], [3, 250]).usualMs(0), 500);
  });

  it('waits longer for a WAN that is known to be slow', () => {
    assert.equal(after([50, 500]).usualMs(0), FIRST_SYN_MS, 'a satellite');
    assert.equal(after([50, 900]).usualMs(0), LATER_SYN_MS);
    assert.equal(after([90, 0], [10, 900]).usualMs(0), LATER_SYN_MS, 'one that loses much');
  });

  it('notices within seconds that answers become late, whatever came before', () => {
    const it = after([1000, 0]);
    for (let i = 0; i < 4; i++) it.add(500, 30_000);
    assert.equal(it.usualMs(30_000), FIRST_SYN_MS);
  });

  it('leaves a connection to its WAN until just before the SYN after 3 s when two of few answers were that late', () => {
    assert.equal(after([1, 900]).patienceMs(0), FIRST_SYN_MS, 'one may be chance');
    assert.equal(after([2, 900]).patienceMs(0), LATER_SYN_MS);
    assert.equal(after([5, 0], [2, 900]).patienceMs(0), FIRST_SYN_MS, 'most are in time');
  });

  it('forgets: what was late a few minutes ago is no reason to wait', () => {
    const it = after([3, 900]);
    assert.equal(it.patienceMs(0), LATER_SYN_MS);
    assert.equal(it.patienceMs(120_000), FIRST_SYN_MS);
  });

  it('goes by the time of the last probe for a minute, however prompt the connections before were', () => {
    const it = after([1000, 0]);
    it.probed(1500, 0);
    assert.deepEqual([it.usualMs(59_000), it.patienceMs(59_000)], [LATER_SYN_MS, LATER_SYN_MS]);
    it.probed(650, 0);
    assert.deepEqual([it.usualMs(1), it.patienceMs(1)], [FIRST_SYN_MS, FIRST_SYN_MS]);
    it.probed(20, 0);
    assert.deepEqual([it.usualMs(1), it.patienceMs(1)], [250, FIRST_SYN_MS]);
    it.probed(1500, 0);
    assert.deepEqual([it.usualMs(60_000), it.patienceMs(60_000)], [250, FIRST_SYN_MS]);
  });
});
