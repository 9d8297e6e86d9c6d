import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { CounterReading } from '#wanmark/core/month-counts.js';
import { Isolation } from '#wanmark/daemon/isolation.js';
import { Traffic } from '#wanmark/daemon/traffic.js';

const MINUTE = 60_000;
const { wans } = parseConfig({
  wan: ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1', 'lte,dev=eth2,via=198.51.100.2'],
});

describe('Traffic', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }));
  afterEach(() => mock.timers.reset());

  /** That of a WAN with a device of its own, and two that share one; each counter says how often it was read. */
  function begin() {
    let now = 0;
    const times = { device: 0, rules: 0 };
    const seen = new Map<string, CounterReading>();
    const traffic = new Traffic({
      wans,
      now: () => now,
      isolation: new Isolation(
        { error: (error: unknown) => assert.fail(JSON.stringify(error)) } as never,
        () => now,
      ),
      months: {
        read: (readings) => {
          for (const [name, reading] of readings) seen.set(name, reading);
        },
        of: () => undefined,
      },
      devices: () => new Map([['fibre', { in: ++times.device, out: 0 }]]),
      rules: async () => {
        times.rules++;
        return new Map(['dsl', 'lte'].map((name) => [name, { in: times.rules, out: 0 }]));
      },
    });
    const pass = async (ms: number) => {
      for (const end = now + ms; now < end; ) {
        now += 2000;
        mock.timers.tick(2000);
        await null;
      }
    };
    return { traffic, times, seen, pass };
  }

  it('reads rules often while somebody looks, and else now and then for the month', async () => {
    const { traffic, times, pass } = begin();
    traffic.begin();
    await pass(20 * MINUTE);
    assert.deepEqual(times, { device: 601, rules: 5 });
    traffic.status('dsl');
    await pass(MINUTE);
    assert.ok(times.rules >= 5 + 8, String(times.rules));
    traffic.stop();
  });

  it('tells the month which counter each number is of, and the last ones at the end', async () => {
    const { traffic, times, seen, pass } = begin();
    traffic.begin();
    await pass(2000);
    traffic.stop();
    assert.equal(seen.get('fibre')!.in, times.device);
    assert.deepEqual(
      ['fibre', 'dsl', 'lte'].map((name) => seen.get(name)!.place),
      ['device eth1', 'rules eth2', 'rules eth2'],
    );
  });
});
