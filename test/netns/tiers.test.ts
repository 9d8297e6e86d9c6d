import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually, packets } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';
import { kernelMarks, waitForState } from '../helpers/uplinks.js';

const TIERS = { tiers: [1, 1, 2], up: [], run: [] };

/** New connections by WAN, which must be the same in all families of the lab. */
async function shares(lab: Lab, count: number) {
  const four = tally(await lab.connect({ count }));
  if (lab.network.ipv6) assert.deepEqual(tally(await lab.connect({ family: 6, count, proto: 'udp' })), four);
  return four;
}

const carrier = (lab: Lab, gateway: string, up: boolean) =>
  lab.host(gateway).sh(`ip link set up0 ${up ? 'up' : 'down'}`);

function kernelHas(lab: Lab, marks: readonly number[]) {
  return eventually(
    () => kernelMarks(lab),
    (now) => now.join() === marks.join(),
    `the kernel chooses among ${marks.join()}`,
  );
}

/** Asserts that without a daemon the kernel gives `count` connections to one WAN. */
async function kernelGives(lab: Lab, count: number, wan: string) {
  const chosen = () => packets(lab.router, 'nat', 'WANMARK_KERNEL', /--set-xmark/);
  const before = await chosen();
  assert.deepEqual(tally(await lab.connect({ count })), { [wan]: count });
  assert.equal((await chosen()) - before, count, 'the kernel chose');
}

describe('a higher tier', needs(nfqueue, addon), () => {
  it('gets nothing while a WAN of the lower tier is up, and everything when their devices are down', async () => {
    await withLab({ ...TIERS, ipv6: false }, async ({ lab, wanmark, daemon }) => {
      // No IPv6 here, since the far end of a pulled cable would lose its IPv6 addresses for good.
      assert.deepEqual(await shares(lab, 20), { wan1: 10, wan2: 10 });
      await carrier(lab, 'gw1', false);
      await waitForState(daemon, 'wan down', 'wan1');
      assert.deepEqual(await shares(lab, 10), { wan2: 10 });
      await carrier(lab, 'gw2', false);
      await waitForState(daemon, 'wan down', 'wan2');
      assert.deepEqual(await shares(lab, 10), { wan3: 10 });
      await kernelHas(lab, [3]);
      await daemon.crash();
      await kernelGives(lab, 10, 'wan3');

      const next = await wanmark.run();
      assert.deepEqual(await shares(lab, 10), { wan3: 10 });
      await carrier(lab, 'gw2', true);
      await waitForState(next, 'wan up', 'wan2');
      assert.deepEqual(await shares(lab, 10), { wan2: 10 });
      await carrier(lab, 'gw1', true);
      await waitForState(next, 'wan up', 'wan1');
      assert.deepEqual(await shares(lab, 20), { wan1: 10, wan2: 10 });
      await kernelHas(lab, [1, 2]);
      await next.stop();
    });
  });

  it('gets everything when the lower tier is set down or drained, and nothing once a WAN of it is back', async () => {
    await withLab(TIERS, async ({ lab, wanmark, daemon }) => {
      const set = (...words: string[]) => wanmark.command(['set', ...words]);
      await set('wan1', 'state=down');
      assert.deepEqual(await shares(lab, 10), { wan2: 10 });
      await set('wan2', 'weight=0');
      assert.deepEqual(await shares(lab, 10), { wan3: 10 });
      assert.deepEqual(await kernelMarks(lab), [3]);
      await set('wan1', 'state=auto');
      assert.deepEqual(await shares(lab, 10), { wan1: 10 });
      assert.deepEqual(await kernelMarks(lab), [1]);
      await set('wan2', 'weight=auto');
      assert.deepEqual(await shares(lab, 20), { wan1: 10, wan2: 10 });
      for (const wan of ['wan1', 'wan2']) await set(wan, 'state=down');
      assert.deepEqual(await shares(lab, 10), { wan3: 10 });
      await daemon.crash();
      await kernelGives(lab, 10, 'wan3');
    });
  });
});
