import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { feasibleRate, SteadyLoad } from '../helpers/load.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { tally } from '../helpers/traffic.js';
import { stateLines, swallow, waitForState } from '../helpers/uplinks.js';

describe('without any check', needs(nfqueue, addon), () => {
  it('a WAN that answers nothing is noticed, and no client’s connection fails', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab, daemon }) => {
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 100));
      await load.more(100);
      await swallow(lab, 'gw2', true);
      const down = await waitForState(daemon, 'wan down', 'wan2');
      assert.match(
        down.reason,
        /^\d+ new connections unanswered for up to [\d.]+ s while other WANs answered /,
      );
      await load.more(100);
      // It is still dead: those that were given to it have their answers by others.
      const report = await load.end();
      assert.deepEqual(report.failed, {});
      assert.equal(report.done, report.started);
      await swallow(lab, 'gw2', false);
      await waitForState(daemon, 'wan up', 'wan2');
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      assert.ok(stateLines(daemon).every(({ wan }) => wan === 'wan2'));
    });
  });

  it('a destination that is dead everywhere takes no WAN out', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab, daemon }) => {
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 50));
      await load.more(50);
      // Nobody has the address: each gateway drops what it cannot deliver.
      for (const gateway of ['gw1', 'gw2', 'gw3']) await swallow(lab, gateway, true, '-d 203.0.113.77');
      const dead = await lab.connect({ to: '203.0.113.77', count: 60, concurrency: 20, timeoutMs: 3000 });
      assert.ok(dead.every(({ error }) => error !== undefined));
      assert.deepEqual((await load.end()).failed, {});
      assert.deepEqual(stateLines(daemon), []);
    });
  });
});
