import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { swallow, waitForState } from '../helpers/uplinks.js';

const PING = ['--check', `all=ping,to=${SERVER[4]},interval=0.5`];

describe('--on-down', needs(nfqueue, addon), () => {
  for (const [onDown, moves] of [
    ['none', false],
    ['udp', true],
  ] as const) {
    it(`${onDown} keeps TCP, which continues when the WAN is back, and ${moves ? 'moves' : 'keeps'} UDP`, async () => {
      const run = [...PING, '--on-down', onDown];
      await withLab({ wans: 2, ipv6: false, up: [], run }, async ({ lab, daemon }) => {
        const [tcp, udp] = [
          await lab.connect({ count: 4, hold: true }),
          await lab.connect({ count: 4, hold: true, proto: 'udp' }),
        ].map((flows) => flows.filter(({ wan }) => wan === 'wan2'));
        assert.deepEqual([tcp?.length, udp?.length], [2, 2]);
        await swallow(lab, 'gw2', true);
        await waitForState(daemon, 'wan down', 'wan2');
        if (moves) {
          const moved = await eventually(
            () => lab.exchange(lab.client, udp!, 1000),
            (flows) => flows.every(({ wan }) => wan === 'wan1'),
            'UDP goes by the other WAN',
          );
          assert.equal(moved.length, 2);
        }
        await swallow(lab, 'gw2', false);
        await waitForState(daemon, 'wan up', 'wan2');
        for (const flows of moves ? [tcp!] : [tcp!, udp!]) {
          const again = await lab.exchange(lab.client, flows);
          assert.deepEqual(
            again.map(({ wan, error }) => error ?? wan),
            ['wan2', 'wan2'],
          );
        }
      });
    });
  }
});
