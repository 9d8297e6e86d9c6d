// A WAN that starts down gets nothing, by the rules alone and with the daemon, until its check has passed once.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LabWan, SERVER } from '#wanmark/lab/network.js';
import { wanArguments } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { kernelMarks, swallow, waitForAllBack, waitForState } from '../helpers/uplinks.js';

describe('a WAN with initial=down', needs(nfqueue, addon), () => {
  it('waits for its check, and keeps what it had when the daemon starts again', async () => {
    const tell = (wan: LabWan) => (wan.number === 2 ? { ...wan, via: `${wan.via},initial=down` } : wan);
    await withLab({ wans: 2, ipv6: false, tell, up: [] }, async ({ lab, wanmark }) => {
      assert.deepEqual(await kernelMarks(lab), [1]);
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 6 });

      const flags = wanArguments(lab.wans.map(tell));
      const refused = await wanmark.command(['run', ...flags], [2]);
      assert.match(refused.stderr, /^wanmark: WAN "wan2" has initial=down and no check .*\n$/);

      await swallow(lab, 'gw2', true);
      const options = ['--check', `all=ping,to=${SERVER[4]},interval=0.5,timeout=1,rise=2`];
      const daemon = await wanmark.run(...options);
      assert.equal((await statusOf(wanmark)).wans[1]?.state, 'down');
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 6 });
      await swallow(lab, 'gw2', false);
      await waitForState(daemon, 'wan up', 'wan2');
      await waitForAllBack(lab, wanmark);
      const held = await lab.connect({ count: 6, hold: true });
      assert.deepEqual(tally(held), { wan1: 3, wan2: 3 });
      await daemon.stop();

      assert.deepEqual(await kernelMarks(lab), [1, 2], 'the kernel keeps to what the daemon knew');
      const again = await wanmark.run(...options);
      assert.equal((await statusOf(wanmark)).wans[1]?.state, 'up', 'and so does the next daemon');
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 3, wan2: 3 });
      assert.deepEqual(tally(await lab.exchange(lab.client, held)), { wan1: 3, wan2: 3 });
      await again.stop();
    });
  });
});
