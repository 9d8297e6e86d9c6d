import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { SteadyLoad } from '../helpers/load.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually, packets } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { kernelMarks, stateLines, swallow, waitForState } from '../helpers/uplinks.js';

/** Two seconds to fall, one and a half to rise, also on a machine with other work. */
const PING = ['--check', `all=ping,to=${SERVER[4]},interval=0.5,fall=3,rise=3`];

describe('a WAN whose gateway swallows everything', needs(nfqueue, addon), () => {
  it('is noticed by the checks, avoided also by the kernel, and has its share again when it is back', async () => {
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

      // Answered ones of the dead WAN were cut: on any other WAN they are none of the server's, and it resets them.
      await eventually(
        () => kernelMarks(lab),
        (marks) => marks.length === 2,
        'the kernel avoids it',
      );
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

      await daemon.crash();
      const before = await packets(lab.router, 'nat', 'WANMARK_KERNEL', /--set-xmark/);
      const byKernel = tally(await lab.connect({ count: 30 }));
      assert.equal((byKernel.wan1 ?? 0) + (byKernel.wan3 ?? 0), 30, JSON.stringify(byKernel));
      assert.ok(
        (await packets(lab.router, 'nat', 'WANMARK_KERNEL', /--set-xmark/)) > before,
        'the kernel chose',
      );

      await swallow(lab, 'gw2', false);
      const next = await wanmark.run(...PING);
      await eventually(
        () => statusOf(wanmark),
        ({ wans }) => wans.every(({ state, reason }) => state === 'up' && reason.startsWith('ping ')),
        'all are up',
      );
      await eventually(
        () => kernelMarks(lab),
        (marks) => marks.length === 3,
        'the kernel may choose all',
      );
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      await next.stop();
    });
  });

  it('costs no client its connection: what was never answered goes by another WAN', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: PING }, async ({ lab, daemon }) => {
      const load = await SteadyLoad.start(lab, 40);
      await load.more(40);
      await swallow(lab, 'gw2', true);
      await waitForState(daemon, 'wan down', 'wan2');
      await load.more(80);
      // It is still dead: those that were given to it have their answers by others.
      const report = await load.end();
      assert.deepEqual(report.failed, {});
      assert.equal(report.done, report.started);
      await swallow(lab, 'gw2', false);
      await waitForState(daemon, 'wan up', 'wan2');
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      assert.deepEqual(
        stateLines(daemon).filter(({ wan }) => wan !== 'wan2'),
        [],
      );
    });
  });

  it('all of them: the main table decides, and each has its share when it is back', async () => {
    await withLab({ wans: 2, ipv6: false, up: [], run: PING }, async ({ lab, daemon, wanmark }) => {
      for (const gateway of ['gw1', 'gw2']) await swallow(lab, gateway, true);
      for (const wan of ['wan1', 'wan2']) await waitForState(daemon, 'wan down', wan);
      await eventually(
        () => kernelMarks(lab),
        (marks) => marks.length === 0,
        'the kernel chooses none',
      );
      assert.deepEqual(
        (await statusOf(wanmark)).wans.map(({ state }) => state),
        ['down', 'down'],
      );
      // The checks ping, and TCP passes: so it can be seen where the main table leads.
      for (const gateway of ['gw1', 'gw2']) await swallow(lab, gateway, true, '-p icmp');
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 6 });
      for (const gateway of ['gw1', 'gw2']) await swallow(lab, gateway, false);
      for (const wan of ['wan1', 'wan2']) await waitForState(daemon, 'wan up', wan);
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 3, wan2: 3 });
    });
  });
});
