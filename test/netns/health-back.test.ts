import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { plug, stateLines, waitForState, waitUntilLasting } from '../helpers/uplinks.js';

describe('a WAN that works again', needs(nfqueue, addon), () => {
  it('gets a tenth of its share at first, and status says so', async () => {
    const run = ['--slow-start', '3600'];
    await withLab({ wans: 2, ipv6: false, up: [], run }, async ({ lab, daemon, wanmark }) => {
      assert.deepEqual(tally(await lab.connect({ count: 20 })), { wan1: 10, wan2: 10 });
      await plug(lab, 'gw2', false);
      await waitUntilLasting(daemon, 'wan2');
      await plug(lab, 'gw2', true);
      await waitForState(daemon, 'wan up', 'wan2');
      const { wan1 = 0, wan2 = 0 } = tally(await lab.connect({ count: 200 }));
      assert.equal(wan1 + wan2, 200);
      // A tenth of the 100 that are its share; each minute that has passed adds one and a half.
      assert.ok(wan2 >= 10 && wan2 <= 15, `${wan2}`);
      const [one, two] = (await statusOf(wanmark)).wans;
      assert.equal(one?.warmUp, null);
      assert.ok(two!.warmUp! > 0.1 && two!.warmUp! < 0.2, `${two!.warmUp}`);
      const table = (await wanmark.command(['status'])).stdout;
      assert.match(table, /^wan2: up for .*; warming up, 1\d\.\d % of its share$/m);
    });
  });

  it('waits for --up-after, and status says until when; it does not wait when no other WAN is up', async () => {
    const run = ['--up-after', '3600'];
    await withLab({ wans: 2, ipv6: false, up: [], run }, async ({ lab, daemon, wanmark }) => {
      await plug(lab, 'gw2', false);
      await waitUntilLasting(daemon, 'wan2');
      const plugged = Date.now();
      await plug(lab, 'gw2', true);
      const { wans } = await eventually(
        () => statusOf(wanmark),
        ({ wans: [, two] }) => two?.upAt !== null,
        'wan2 waits',
      );
      assert.equal(wans[1]?.state, 'down');
      const upAt = Date.parse(String(wans[1]?.upAt));
      // A second of tolerance, since one clock has milliseconds and the other nanoseconds.
      assert.ok(upAt >= plugged + 3_599_000 && upAt <= Date.now() + 3_601_000, String(wans[1]?.upAt));
      assert.match(String(wans[1]?.reason), /^device wan2 has no carrier; works again, up in 3[56]\d\d s$/);
      assert.match(
        (await wanmark.command(['status'])).stdout,
        /^wan2: down for .*; works again, up in \d+ s$/m,
      );
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 6 });
      await plug(lab, 'gw1', false);
      await waitForState(daemon, 'wan up', 'wan2');
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan2: 6 });
    });
  });

  it('comes up by itself when it has worked for the time of --up-after', async () => {
    await withLab({ wans: 2, ipv6: false, up: [], run: ['--up-after', '2'] }, async ({ lab, daemon }) => {
      await plug(lab, 'gw2', false);
      await waitUntilLasting(daemon, 'wan2');
      const plugged = Date.now();
      await plug(lab, 'gw2', true);
      const { since } = await waitForState(daemon, 'wan up', 'wan2');
      assert.ok(Date.parse(since) - plugged >= 1990, since);
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 3, wan2: 3 });
      assert.equal(stateLines(daemon).length, 2);
    });
  });
});
