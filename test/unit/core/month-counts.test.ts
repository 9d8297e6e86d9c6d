import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CounterReading, MonthCounts, parseKeptMonth } from '#wanmark/core/month-counts.js';

const DAY = 86_400_000;
/** In the time zone of the machine, whatever that is. */
const march = (day: number, hour = 12, minute = 0) => new Date(2026, 2, day, hour, minute);

function reading(bytes: number, more: Partial<CounterReading> = {}): ReadonlyMap<string, CounterReading> {
  return new Map([['fibre', { in: bytes, out: bytes / 10, place: 'device eth1', boot: 'first', ...more }]]);
}

/** What the next one has, through a file. */
function handedOver(counts: MonthCounts): MonthCounts {
  return new MonthCounts(parseKeptMonth(JSON.parse(JSON.stringify(counts.kept()))));
}

describe('the bytes of a month', () => {
  it('begin when a WAN is first seen, whatever its counter said before', () => {
    const counts = new MonthCounts();
    assert.equal(counts.kept(), undefined);
    counts.read(reading(5000), march(3), 0);
    counts.read(reading(7000), march(3), 2000);
    assert.deepEqual(counts.of('fibre'), { since: march(3).toISOString(), inBytes: 2000, outBytes: 200 });
    assert.equal(counts.of('dsl'), undefined);
  });

  it('go on where an earlier daemon ended, with what came meanwhile', () => {
    const counts = new MonthCounts();
    counts.read(reading(5000), march(3), 0);
    counts.read(reading(6000), march(3), 2000);
    const next = handedOver(counts);
    next.read(reading(9000), march(4), 0);
    assert.deepEqual(next.of('fibre'), { since: march(3).toISOString(), inBytes: 4000, outBytes: 400 });
  });

  it('have all that a counter says after a boot, even when it says more than before', () => {
    const counts = new MonthCounts();
    counts.read(reading(0), march(3), 0);
    counts.read(reading(1000), march(3), 2000);
    const next = handedOver(counts);
    next.read(reading(1500, { boot: 'second' }), march(4), 0);
    assert.equal(next.of('fibre')!.inBytes, 2500);
  });

  it('have nothing of what another counter said before it counted for the WAN', () => {
    const counts = new MonthCounts();
    counts.read(reading(0), march(3), 0);
    counts.read(reading(1000), march(3), 2000);
    counts.read(reading(900_000, { place: 'device eth2' }), march(3), 4000);
    counts.read(reading(900_500, { place: 'device eth2' }), march(3), 6000);
    assert.equal(counts.of('fibre')!.inBytes, 1500);
  });

  it('begin anew with each month, and there with its first moment where somebody counted through', () => {
    const counts = new MonthCounts();
    counts.read(reading(0), new Date(2026, 2, 31, 23, 59), 0);
    counts.read(reading(1000), new Date(2026, 2, 31, 23, 59, 30), 30_000);
    counts.read(reading(1200), new Date(2026, 3, 1, 0, 0, 30), 90_000);
    const first = new Date(2026, 3, 1).toISOString();
    assert.deepEqual(counts.of('fibre'), { since: first, inBytes: 200, outBytes: 20 });
  });

  it('have nothing of a time of which nobody knows in which month it was', () => {
    const counts = new MonthCounts();
    counts.read(reading(1000), march(20), 0);
    const next = handedOver(counts);
    const back = new Date(2026, 3, 5, 12);
    next.read(reading(9000), back, 0);
    next.read(reading(9100), back, 2000);
    assert.deepEqual(next.of('fibre'), { since: back.toISOString(), inBytes: 100, outBytes: 10 });
  });

  it('are kept while the clock is behind, as after a boot without a battery, and not for ever', () => {
    const counts = new MonthCounts();
    counts.read(reading(0), march(20), 0);
    counts.read(reading(1000), march(20), 2000);
    const next = handedOver(counts);
    const unset = new Date(2020, 0, 1);
    next.read(reading(1200, { boot: 'second' }), unset, 0);
    next.read(reading(1300, { boot: 'second' }), march(20, 12, 5), 60_000);
    assert.deepEqual(next.of('fibre'), { since: march(20).toISOString(), inBytes: 2300, outBytes: 230 });
    next.read(reading(1400, { boot: 'second' }), unset, 120_000);
    next.read(reading(1500, { boot: 'second' }), unset, 120_000 + DAY);
    next.read(reading(1700, { boot: 'second' }), unset, 122_000 + DAY);
    assert.deepEqual(next.of('fibre'), { since: unset.toISOString(), inBytes: 300, outBytes: 30 });
  });

  it('are taken from nothing that is not what they were kept as', () => {
    const counts = new MonthCounts();
    counts.read(reading(1000), march(20), 0);
    const kept = JSON.parse(JSON.stringify(counts.kept()));
    const { fibre } = kept.wans;
    assert.deepEqual(parseKeptMonth(kept), kept);
    for (const other of [
      undefined,
      null,
      [],
      'month',
      {},
      { ...kept, format: 2 },
      { ...kept, month: 'March' },
      { ...kept, at: 'yesterday' },
      { ...kept, wans: null },
      { ...kept, wans: 7 },
      { ...kept, wans: { fibre: null } },
      { ...kept, wans: { fibre: { ...fibre, in: -1 } } },
      { ...kept, wans: { fibre: { ...fibre, in: 1e300 } } },
      { ...kept, wans: { fibre: { ...fibre, since: 0 } } },
      { ...kept, wans: { fibre: { ...fibre, last: undefined } } },
    ])
      assert.equal(parseKeptMonth(other), undefined, JSON.stringify(other));
  });
});
