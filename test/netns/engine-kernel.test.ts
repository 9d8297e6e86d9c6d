/** `--engine kernel`: the kernel balances without a daemon, by `up` and by the script of `print`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { differences, snapshot } from '#wanmark/lab/snapshot.js';
import { wanArguments } from '#wanmark/lab/wanmark.js';
import { TRIES_NFT, triedFlags } from '../helpers/backend.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue, nftQueue } from '../helpers/requires.js';
import { packets } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

const NTH = ['--engine', 'kernel', '--kernel-mode', 'nth'];
const EXACT = { wan1: 10, wan2: 6, wan3: 2 };

describe('--engine kernel', needs(nfqueue, addon), () => {
  it('balances exactly with nth, without a daemon; down removes everything', async () => {
    await withLab({ weights: [5, 3, 1] }, async ({ lab, wanmark }) => {
      const before = await snapshot(lab.router);
      await wanmark.up(...NTH);
      for (const from of [lab.client, lab.router]) {
        for (const family of [4, 6] as const) {
          for (const proto of ['tcp', 'udp'] as const) {
            const flows = await lab.connect({ from, family, proto, count: 18 });
            assert.deepEqual(tally(flows), EXACT, `${from.name} ${proto} IPv${family}`);
          }
        }
      }
      await wanmark.down();
      assert.deepEqual(differences(before, await snapshot(lab.router)), []);
    });
  });

  it('takes over from a daemon and hands back: connections survive, and only differences are changed', async () => {
    await withLab({ wans: 3, up: [], run: [] }, async ({ lab, wanmark }) => {
      // Where the kernel has no queue for nft, the rules go over from iptables to nft, and back.
      const goesOver = TRIES_NFT && nftQueue() !== undefined;
      const held = await lab.connect({ count: 6, hold: true });
      const stays = async (what: string) => {
        const again = await lab.exchange(lab.client, held);
        assert.deepEqual(
          again.map(({ wan, error }) => error ?? wan),
          held.map(({ wan }) => wan),
          what,
        );
      };
      // A SYN that a slow machine sends again before its verdict is queued again.
      assert.ok((await packets(lab.router, 'mangle', 'WANMARK_NEW', /NFQUEUE/)) >= 6);
      for (const [flags, expected] of [
        [NTH, { wan1: 4, wan2: 4, wan3: 4 }],
        [[], { wan1: 4, wan2: 4, wan3: 4 }],
      ] as const) {
        const { stderr } = await wanmark.up('--verbose', ...flags);
        // Neither routes nor the NAT of a WAN may change.
        assert.doesNotMatch(stderr, /^# (ip|echo) /m);
        if (!goesOver) assert.doesNotMatch(stderr, /WANMARK_(SAVE|COUNT|NAT)/);
        await stays(flags.join(' '));
        // The daemon runs all the time, and has nothing to do while the kernel chooses.
        const flows = await lab.connect({ count: 12, hold: true });
        assert.deepEqual(tally(flows), expected);
        held.push(...flows);
      }
      assert.ok((await packets(lab.router, 'mangle', 'WANMARK_NEW', /NFQUEUE/)) >= 12);
      await stays('at the end');
    });
  });

  it('prints a script that stands alone: it balances, and removes its rules', async () => {
    await withLab({ weights: [5, 3, 1] }, async ({ lab, wanmark }) => {
      const { stdout } = await wanmark.command(['print', ...wanArguments(lab.wans), ...triedFlags(NTH)]);
      const before = await snapshot(lab.router);
      // The script may use only what any router has: not node, and none of our files.
      const run = (...args: string[]) =>
        lab.router.exec(['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'sh', '-s', ...args], {
          input: stdout,
        });
      await run();
      for (const from of [lab.client, lab.router]) {
        for (const family of [4, 6] as const) {
          assert.deepEqual(tally(await lab.connect({ from, family, count: 18 })), EXACT, from.name);
        }
      }
      // Inbound connections work by each WAN, under strict rp_filter.
      await lab.router.serve(7);
      for (const wan of lab.wans) {
        const [flow] = await lab.connect({ from: lab.server, to: wan.inbound[0]! });
        assert.equal(flow?.error, undefined, wan.name);
      }
      const printed = await snapshot(lab.router);
      await run('down');
      assert.deepEqual(differences(before, await snapshot(lab.router)), []);
      // `up` makes the same rules as the script.
      await wanmark.up(...NTH);
      const ours = await snapshot(lab.router);
      const isSpecific = (line: string) => /^-A WANMARK_NEW -d \S+ -j RETURN$/.test(line);
      const others = (lines: string[]) => lines.filter((line) => !isSpecific(line));
      assert.deepEqual(differences(others(printed), others(ours)), []);
      // The networks that are left alone stand in one place, and their order there means nothing: the script has `sort`.
      assert.deepEqual(printed.filter(isSpecific).toSorted(), ours.filter(isSpecific).toSorted());
      assert.equal(printed.findIndex(isSpecific), ours.findIndex(isSpecific));
    });
  });
});
