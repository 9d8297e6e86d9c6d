import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RateMeter } from '#wanmark/web/rates.js';
import { Ring } from '#wanmark/web/ring.js';
import { statusSample, wanStatus } from '../../helpers/status-sample.js';

describe('Ring', () => {
  const one = (value: number | null, name = 'a') => new Map([[name, value]]);

  it('has the mean of each step, and nothing where there was no value', () => {
    const ring = new Ring(5000, 4);
    ring.add(5000, one(1));
    ring.add(9999, one(4));
    ring.add(10_000, one(null));
    ring.add(15_000, one(7));
    assert.deepEqual(ring.columns(0), { stepSeconds: 5, times: [5, 10, 15], series: { a: [2.5, null, 7] } });
    assert.deepEqual(ring.columns(10_000).times, [10, 15]);
  });

  it('forgets what is older than its size, and a series with that', () => {
    const ring = new Ring(1000, 3);
    for (let second = 0; second < 5; second++)
      ring.add(1000 * second, one(second, second === 0 ? 'old' : 'a'));
    assert.deepEqual(ring.columns(0), { stepSeconds: 1, times: [2, 3, 4], series: { a: [2, 3, 4] } });
    ring.add(100_000, one(9));
    assert.deepEqual(ring.columns(100_000).series, { a: [9] });
  });

  it('goes by the clock that is set back', () => {
    const ring = new Ring(1000, 10);
    for (let second = 0; second < 5; second++) ring.add(1000 * second, one(second));
    ring.add(2000, one(20));
    ring.add(3000, one(30));
    assert.deepEqual(ring.columns(0), { stepSeconds: 1, times: [0, 1, 2, 3], series: { a: [0, 1, 20, 30] } });
  });
});

describe('RateMeter', () => {
  const status = (uptimeSeconds: number, picks: number, more: object = {}) =>
    statusSample({ uptimeSeconds, wans: [wanStatus('fibre', { picks })], ...more });

  it('makes new connections a second of the decisions of all policies', () => {
    const meter = new RateMeter();
    const members = [wanStatus('fibre', { picks: 0 })];
    const policy = (picks: number) => [
      { name: 'web', strategy: 'x', none: 'main', sticky: null, wans: [{ ...members[0]!, picks }] },
    ];
    assert.equal(meter.read(status(10, 100, { policies: policy(0) })).get('fibre new'), null);
    const rates = meter.read(status(12, 104, { policies: policy(6) }));
    assert.deepEqual(
      [...rates],
      [
        ['fibre in', 8000],
        ['fibre out', 800],
        ['fibre new', 5],
      ],
    );
  });

  it('knows none after a restart, and none without a daemon', () => {
    const meter = new RateMeter();
    meter.read(status(10, 100));
    assert.equal(meter.read(status(0.1, 0, { pid: 2 })).get('fibre new'), null);
    assert.equal(meter.read(status(2.1, 4, { pid: 2 })).get('fibre new'), 2);
    assert.equal(meter.read(undefined).size, 0);
    assert.equal(meter.read(status(4, 100, { pid: 2 })).get('fibre new'), null);
    assert.equal(
      meter.read(statusSample({ wans: [wanStatus('fibre', { traffic: null })] })).get('fibre in'),
      null,
    );
  });
});
