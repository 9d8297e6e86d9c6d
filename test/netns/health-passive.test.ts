import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { assertUnharmed, feasibleRate, SteadyLoad } from '../helpers/load.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { stateLines, swallow } from '../helpers/uplinks.js';

describe('without any check', needs(nfqueue, addon), () => {
  it('a destination that is dead everywhere makes no WAN suspected or down', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab, daemon }) => {
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 50));
      await load.more(50);
      // No host has the address, and each gateway drops the packets to it.
      for (const gateway of ['gw1', 'gw2', 'gw3']) await swallow(lab, gateway, true, '-d 203.0.113.77');
      const dead = await lab.connect({ to: '203.0.113.77', count: 60, concurrency: 20, timeoutMs: 3000 });
      assert.ok(dead.every(({ error }) => error !== undefined));
      assertUnharmed(await load.end());
      assert.deepEqual(stateLines(daemon), []);
    });
  });
});
