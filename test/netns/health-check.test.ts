import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { swallow, waitForAllBack, waitForKernel, waitForState } from '../helpers/uplinks.js';

/** A failed round lasts as long as its timeout, so a WAN goes down after some five seconds, and up after 1.5. */
const PING = ['--check', `all=ping,to=${SERVER[4]},interval=0.5,fall=3,rise=3`];

describe('a WAN whose gateway swallows everything', needs(nfqueue, addon), () => {
  it('is noticed by the checks, avoided by daemon and kernel, and has its share again when it is back', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: PING }, async ({ lab, wanmark, daemon }) => {
      const held = await lab.connect({ count: 9, hold: true });
      assert.deepEqual(tally(held), { wan1: 3, wan2: 3, wan3: 3 });
      await swallow(lab, 'gw2', true);
      const down = await waitForState(daemon, 'wan down', 'wan2');
      assert.match(down.reason, /^ping 203\.0\.113\.10: 3 of 3 rounds failed \(timeout\)$/);
      assert.deepEqual(tally(await lab.connect({ count: 20 })), { wan1: 10, wan3: 10 });

      const [one, two] = (await statusOf(wanmark)).wans;
      assert.deepEqual([one?.state, two?.state, two?.reason], ['up', 'down', down.reason]);
      assert.equal(two?.families.length, 1);
      assert.ok(Math.abs(Date.parse(two.since) - Date.parse(down.since)) < 1000);
      const table = (await wanmark.command(['status'])).stdout;
      assert.match(table, /^wan2: down for \d+ s, ping 203\.0\.113\.10: 3 of 3 rounds failed/m);

      // Answered connections of the dead WAN were cut. By another WAN the server does not know them, and resets them.
      await waitForKernel(lab, 2);
      const again = await lab.exchange(
        lab.client,
        held.filter(({ wan }) => wan === 'wan2'),
        20_000,
      );
      assert.deepEqual(tally(again), { ECONNRESET: 3 });
      const others = await lab.exchange(
        lab.client,
        held.filter(({ wan }) => wan !== 'wan2'),
      );
      assert.deepEqual(tally(others), { wan1: 3, wan3: 3 });

      await swallow(lab, 'gw2', false);
      await waitForAllBack(lab, wanmark);
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
    });
  });
});
