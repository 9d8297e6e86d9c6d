import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ByteMeter } from '#wanmark/core/byte-meter.js';

describe('a byte meter', () => {
  it('has no total and no rate before it was read, and no rate after one reading', () => {
    const meter = new ByteMeter();
    assert.deepEqual([meter.total, meter.rate], [undefined, undefined]);
    meter.read({ in: 500, out: 70 }, 0);
    assert.deepEqual(meter.total, { in: 500, out: 70 }, 'what was counted before is part of it');
    assert.equal(meter.rate, undefined);
  });

  it('takes bits a second from the difference of readings', () => {
    const meter = new ByteMeter();
    meter.read({ in: 1000, out: 0 }, 0);
    meter.read({ in: 3000, out: 250 }, 2000);
    assert.deepEqual(meter.rate, { in: 8000, out: 1000 });
  });

  it('forgets a rate after some seconds', () => {
    const meter = new ByteMeter();
    for (let s = 0; s <= 20; s += 2) meter.read({ in: s < 4 ? 1000 * s : 4000, out: 0 }, 1000 * s);
    assert.deepEqual(meter.rate, { in: 0, out: 0 });
  });

  it('takes a rate over any pause, where it is read seldom', () => {
    const meter = new ByteMeter();
    meter.read({ in: 0, out: 0 }, 0);
    meter.read({ in: 60_000, out: 0 }, 60_000);
    assert.deepEqual(meter.rate, { in: 8000, out: 0 });
  });

  it('goes on from a counter that began anew in one direction or both', () => {
    const meter = new ByteMeter();
    meter.read({ in: 9000, out: 100 }, 0);
    // A device that was dialled again: less came in than before, and more went out.
    meter.read({ in: 300, out: 150 }, 1000);
    assert.deepEqual(meter.total, { in: 9300, out: 250 });
    assert.deepEqual(meter.rate, { in: 2400, out: 1200 });
  });

  it('takes a small fall for counters that are not read at the same instant', () => {
    const meter = new ByteMeter();
    meter.read({ in: 9000, out: 0 }, 0);
    meter.read({ in: 8990, out: 0 }, 1000);
    assert.deepEqual(meter.total, { in: 9000, out: 0 });
  });

  it('has no rate while there is no counter, and keeps the total', () => {
    const meter = new ByteMeter();
    meter.read({ in: 1000, out: 10 }, 0);
    meter.read({ in: 2000, out: 20 }, 1000);
    meter.read(undefined, 2000);
    assert.deepEqual([meter.rate, meter.total], [undefined, { in: 2000, out: 20 }]);
    meter.read({ in: 100, out: 0 }, 3000);
    assert.deepEqual([meter.rate, meter.total], [undefined, { in: 2100, out: 20 }]);
  });

  it('keeps ten minutes in steps of ten seconds, with gaps where nobody read', () => {
    const meter = new ByteMeter();
    const start = 1_000_000;
    meter.read({ in: 0, out: 0 }, start);
    for (let s = 2; s <= 20; s += 2) meter.read({ in: 1000 * s, out: 0 }, start + 1000 * s);
    const { stepSeconds, in: rates, out } = meter.history(start + 45_000);
    assert.deepEqual([stepSeconds, rates.length, out.length], [10, 60, 60]);
    // Four readings of 2 s each in the first step, five in the second, and one in the third.
    assert.deepEqual(rates.slice(-5), [6400, 8000, 1600, null, null]);
    assert.equal(rates[0], null);
    assert.equal(meter.history(start + 45_000).in.filter((one) => one !== null).length, 3);
  });

  it('has a gap for a time over which it was read once, since nobody knows when in it the bytes came', () => {
    const meter = new ByteMeter();
    meter.read({ in: 0, out: 0 }, 0);
    meter.read({ in: 300_000, out: 0 }, 300_000);
    assert.ok(meter.history(300_000).in.every((rate) => rate === null));
  });

  it('takes the step that is not over for as long as it lasts', () => {
    const meter = new ByteMeter();
    meter.read({ in: 0, out: 0 }, 0);
    meter.read({ in: 5000, out: 0 }, 5000);
    assert.equal(meter.history(5000).in.at(-1), 8000);
  });
});
