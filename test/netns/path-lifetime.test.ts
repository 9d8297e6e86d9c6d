import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Host } from '#wanmark/lab/host.js';
import type { LabFlow } from '#wanmark/lab/lab.js';
import { wanArguments } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { tally } from '../helpers/traffic.js';

describe('an established connection', needs(nfqueue, addon), () => {
  for (const sharedPort of [false, true]) {
    it(`survives stop, crash, start and up again ${sharedPort ? '(one port)' : '(a port for each WAN)'}`, async () => {
      await withLab({ wans: 3, sharedPort, up: [], run: [] }, async ({ lab, wanmark, daemon }) => {
        const held: { from: Host; flows: LabFlow[] }[] = [];
        for (const from of [lab.client, lab.router]) {
          for (const family of [4, 6] as const) {
            for (const proto of ['tcp', 'udp'] as const) {
              held.push({ from, flows: await lab.connect({ count: 9, family, proto, from, hold: true }) });
            }
          }
        }
        const stillThere = async (after: string) => {
          for (const { from, flows } of held) {
            const again = await lab.exchange(from, flows);
            assert.deepEqual(
              again.map(({ wan, error }) => error ?? wan),
              flows.map(({ wan }) => wan),
              after,
            );
          }
        };
        for (const { flows } of held) assert.deepEqual(tally(flows), { wan1: 3, wan2: 3, wan3: 3 });
        await daemon.stop();
        await stillThere('stop');
        const second = await wanmark.run();
        await stillThere('start');
        await second.crash();
        await stillThere('crash');
        await wanmark.up();
        await stillThere('an equal up');
        // This `up` has other weights and tiers, and one WAN less.
        const fewer = wanArguments(lab.wans.slice(0, 2).map((wan) => ({ ...wan, weight: 7, tier: 2 })));
        await wanmark.command([
          'up',
          ...fewer,
          '--wan',
          wanArguments(lab.wans)[5]!.replace(/weight=\d+/, 'weight=0'),
        ]);
        await stillThere('an up with other weights and tiers');
        const third = await wanmark.run();
        await stillThere('start again');
        await third.stop();
      });
    });
  }
});
