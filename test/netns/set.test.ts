import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import type { Daemon, Wanmark } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually, packets } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { kernelMarks, waitForKernel } from '../helpers/uplinks.js';

const WEIGHTED = ['--strategy', 'weighted'];
const THREE = [1, 2, 3];

/** Runs `wanmark set` and returns its output. */
async function set(wanmark: Wanmark, ...words: string[]): Promise<string> {
  const { stdout, stderr } = await wanmark.command(['set', ...words]);
  assert.equal(stderr, '');
  return stdout;
}

/** Connections by WAN, all of which the kernel chose, as the rules' counters show. */
async function byKernel(lab: Lab, count: number) {
  const chosen = () => packets(lab.router, 'nat', 'WANMARK_KERNEL', /--set-xmark/);
  const before = await chosen();
  const shares = tally(await lab.connect({ count }));
  assert.equal((await chosen()) - before, count, 'the kernel chose');
  return shares;
}

/** The daemon's lines about changes, without their dates. */
function changes(daemon: Daemon) {
  return daemon.program.lines
    .filter((line) => line.includes('"msg":"set"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .map(({ wan, what, now, was }) => [wan, what, now, was]);
}

describe('wanmark set', needs(nfqueue, addon), () => {
  it('weight=0 drains: old connections continue, daemon and kernel give no new ones, until the next start', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: WEIGHTED }, async ({ lab, wanmark, daemon }) => {
      const held = await lab.connect({ count: 9, hold: true });
      assert.deepEqual(tally(held), { wan1: 3, wan2: 3, wan3: 3 });
      assert.equal(await set(wanmark, 'wan2', 'weight=0'), 'wan2: weight 0 (drain), was 1\n');
      assert.deepEqual(await kernelMarks(lab), [1, 3], 'so when it is said');
      assert.deepEqual(tally(await lab.connect({ count: 20 })), { wan1: 10, wan3: 10 });
      assert.deepEqual(tally(await lab.exchange(lab.client, held)), { wan1: 3, wan2: 3, wan3: 3 });
      const { wans } = await statusOf(wanmark);
      assert.deepEqual(
        wans.map(({ state, weight, configuredWeight, target }) => [state, weight, configuredWeight, target]),
        [
          ['up', 1, undefined, 0.5],
          ['drain', 0, 1, 0],
          ['up', 1, undefined, 0.5],
        ],
      );
      assert.match(
        (await wanmark.command(['status'])).stdout,
        /^wan2: weight 0 by wanmark set, 1 by the configuration$/m,
      );
      assert.deepEqual(changes(daemon), [['wan2', 'weight', 0, 1]]);

      // An `up` by hand installs the configured weights, and the daemon then installs its own again.
      await wanmark.up();
      await waitForKernel(lab, 2);
      await daemon.crash();
      const shares = await byKernel(lab, 30);
      assert.equal((shares.wan1 ?? 0) + (shares.wan3 ?? 0), 30, JSON.stringify(shares));
      assert.deepEqual(tally(await lab.exchange(lab.client, held)), { wan1: 3, wan2: 3, wan3: 3 });

      const next = await wanmark.run(...WEIGHTED);
      await waitForKernel(lab, 3);
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      await next.stop();
    });
  });

  it('weight=N gives exactly that share, by daemon and kernel, and weight=auto the configured one', async () => {
    const up = ['--kernel-mode', 'nth'];
    await withLab(
      { weights: [1, 1, 0], ipv6: false, up, run: WEIGHTED },
      async ({ lab, wanmark, daemon }) => {
        assert.deepEqual(tally(await lab.connect({ count: 10 })), { wan1: 5, wan2: 5 });
        assert.equal(await set(wanmark, 'wan1', 'weight=5'), 'wan1: weight 5, was 1\n');
        assert.equal(await set(wanmark, 'wan3', 'weight=1'), 'wan3: weight 1, was 0 (drain)\n');
        assert.deepEqual(tally(await lab.connect({ count: 70 })), { wan1: 50, wan2: 10, wan3: 10 });
        const targets = (await statusOf(wanmark)).wans.map(({ target }) => target);
        assert.deepEqual(targets, [5 / 7, 1 / 7, 1 / 7]);

        // This is more than the kernel's rotation can hold, so everything stays as it was.
        const before = await kernelMarks(lab);
        const refused = await wanmark.command(['set', 'wan1', 'weight=300'], 'any');
        assert.match(
          refused.stderr,
          /^wanmark: weight 300 for wan1 does not go with the rules: [^\n]* a rotation of 302, more than 256; [^\n]*\n$/,
        );
        assert.deepEqual([refused.code, refused.stdout], [2, '']);
        assert.deepEqual(await kernelMarks(lab), before);
        assert.equal((await statusOf(wanmark)).wans[0]!.weight, 5);

        assert.equal(await set(wanmark, 'wan3', 'weight=auto'), 'wan3: weight 0 (drain), was 1\n');
        assert.deepEqual(tally(await lab.connect({ count: 12 })), { wan1: 10, wan2: 2 });
        assert.equal(await set(wanmark, 'wan3', 'weight=2'), 'wan3: weight 2, was 0 (drain)\n');
        await daemon.crash();
        assert.deepEqual(await byKernel(lab, 16), { wan1: 10, wan2: 2, wan3: 4 });
      },
    );
  });

  it('state=down cuts and avoids a WAN like any other outage; auto has it back at once, however often', async () => {
    await withLab({ wans: 3, up: [], run: [] }, async ({ lab, wanmark, daemon }) => {
      const held = await lab.connect({ count: 9, hold: true });
      const ofSecond = held.filter(({ wan }) => wan === 'wan2');
      assert.equal(ofSecond.length, 3);
      assert.equal(await set(wanmark, 'wan2', 'state=down'), 'wan2: state down, was auto\n');
      assert.deepEqual(await kernelMarks(lab), [1, 3], 'so when it is said');
      for (const family of [4, 6] as const)
        assert.deepEqual(tally(await lab.connect({ family, count: 8 })), { wan1: 4, wan3: 4 });
      assert.deepEqual(tally(await lab.exchange(lab.client, ofSecond, 20_000)), { ECONNRESET: 3 });
      const [, status] = (await statusOf(wanmark)).wans;
      assert.deepEqual(
        [status?.state, status?.setState, status?.reason, status?.weight],
        ['down', 'down', 'set down by hand', 1],
      );
      // If this counted as flapping, the WAN would be held down for 10 s and more.
      for (let i = 0; i < 2; i++) {
        assert.equal(await set(wanmark, 'wan2', 'state=auto'), 'wan2: state auto (up), was down\n');
        assert.deepEqual(await kernelMarks(lab), THREE);
        for (const family of [4, 6] as const) {
          const shares = tally(await lab.connect({ family, count: 9 }));
          assert.deepEqual(shares, { wan1: 3, wan2: 3, wan3: 3 }, `IPv${family}, time ${i + 1}`);
        }
        assert.equal(await set(wanmark, 'wan2', 'state=down'), 'wan2: state down, was auto\n');
      }
      assert.deepEqual(changes(daemon).slice(0, 3), [
        ['wan2', 'state', 'down', 'auto'],
        ['wan2', 'state', 'auto', 'down'],
        ['wan2', 'state', 'down', 'auto'],
      ]);

      // With all WANs down new connections follow the main table, which leads to the first WAN.
      await set(wanmark, 'wan1', 'state=down');
      await set(wanmark, 'wan3', 'state=down', 'weight=4');
      assert.deepEqual(await kernelMarks(lab), []);
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 6 });

      // Another reason to be down remains, and is then the only one.
      await lab.host('gw3').sh('ip link set up0 down');
      await eventually(
        () => set(wanmark, 'wan3', 'state=auto'),
        (said) => /^wan3: state auto \(down: device wan3 has no carrier\), /.test(said),
        'its carrier is missed',
      );
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 6 });
      assert.equal(
        await set(wanmark, 'wan1', 'state=auto', 'weight=2'),
        'wan1: weight 2, was 1; state auto (up), was down\n',
      );
    });
  });
});
