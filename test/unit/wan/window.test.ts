import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProbeWindow } from '#wanmark/wan/window.js';

describe('ProbeWindow', () => {
  it('forgets what is old', () => {
    const window = new ProbeWindow(10_000);
    for (let i = 0; i < 10; i++) window.add(i >= 5, i, i * 1000);
    assert.equal(window.size, 10);
    assert.equal(window.loss, 50);
    assert.equal(window.latency, 7);
    window.add(true, 8, 14_500);
    assert.equal(window.size, 6);
    assert.equal(window.loss, 0);
    window.clear();
    assert.deepEqual([window.size, window.loss, window.latency], [0, 0, undefined]);
  });
});
