import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Isolation } from '#wanmark/daemon/isolation.js';
import { Watchdog } from '#wanmark/daemon/watchdog.js';
import type { ServiceManager } from '#wanmark/system/service-manager.js';

const isolation = new Isolation({ error: (line: unknown) => assert.fail(JSON.stringify(line)) }, () => 0);
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('Watchdog', () => {
  it('gives a sign for each ping that comes back, and none while one is out', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const signs: string[] = [];
    const pings: (() => void)[] = [];
    const manager = { watchdogMs: 1000, watchdog: (status: string) => signs.push(status) };
    const watchdog = new Watchdog(
      manager as unknown as ServiceManager,
      () => new Promise<void>((resolve) => pings.push(resolve)),
      () => `after ${pings.length}`,
      isolation,
    );
    t.mock.timers.tick(1000);
    assert.deepEqual([pings.length, signs], [1, []], 'the way there and back is not done yet');
    pings[0]!();
    await settled();
    assert.deepEqual(signs, ['after 1']);
    // From here on the thread that talks to the kernel is stuck.
    t.mock.timers.tick(5000);
    await settled();
    assert.deepEqual([pings.length, signs.length], [2, 1]);
    pings[1]!();
    await settled();
    assert.equal(signs.length, 2);
    watchdog.stop();
    t.mock.timers.tick(5000);
    assert.equal(pings.length, 2);
  });

  it('does nothing where systemd does not ask for it', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const manager = { watchdogMs: undefined } as unknown as ServiceManager;
    const watchdog = new Watchdog(manager, () => assert.fail('pinged'), String, isolation);
    t.mock.timers.tick(60_000);
    watchdog.stop();
  });
});
