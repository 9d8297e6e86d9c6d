import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { VPN_SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually, routes } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';
import { waitForState } from '../helpers/uplinks.js';

/** Long, since an emulated machine takes 10 s for what takes a third of a second elsewhere. */
const TIMEOUT_MS = 120_000;
const NET = { 4: '172.16.0.0/24', 6: '2001:db8:98::/64' } as const;

/** Whether the rules exclude a destination network. */
async function excepts(lab: Lab, net: string): Promise<boolean> {
  const chain = await lab.router.counters('mangle', 'WANMARK_NEW', net.includes(':') ? 6 : 4);
  return chain.some(({ rule }) => rule.includes(`-d ${net} `));
}

describe('the rules of a running daemon follow', needs(nfqueue, addon), () => {
  it('a VPN’s route that comes later, and its end', async () => {
    await withLab({ wans: 2, vpn: true }, async ({ lab, wanmark }) => {
      await lab.host('vpn').serve(7);
      const removed: string[] = [];
      for (const family of [4, 6] as const) {
        const [route] = (await routes(lab.router, 'main', family)).filter((line) =>
          line.startsWith(NET[family]),
        );
        assert.ok(route, `the lab has a route to ${NET[family]}`);
        removed.push(`ip -${family} route replace ${route}`);
        await lab.router.sh(`ip -${family} route del ${NET[family]}`);
      }
      await wanmark.up();
      const daemon = await wanmark.run();
      assert.deepEqual([await excepts(lab, NET[4]), await excepts(lab, NET[6])], [false, false]);
      await lab.router.sh(removed.join('\n'));
      for (const family of [4, 6] as const) {
        await eventually(
          () => excepts(lab, NET[family]),
          Boolean,
          `the exception of ${NET[family]}`,
          TIMEOUT_MS,
        );
        const [flow] = await lab.connect({ to: VPN_SERVER[family], family });
        assert.equal(flow?.error, undefined);
      }
      await lab.router.sh(`ip -4 route del ${NET[4]}; ip -6 route del ${NET[6]}`);
      for (const net of [NET[4], NET[6]]) {
        await eventually(
          () => excepts(lab, net),
          (there) => !there,
          `the end of the exception of ${net}`,
          TIMEOUT_MS,
        );
      }
      await daemon.stop();
      assert.deepEqual(daemon.decisions, []);
      assert.ok(daemon.program.lines.some((line) => line.includes('the rules followed the routes')));
    });
  });

  it('a WAN’s device that goes and comes back', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab, daemon }) => {
      const table = () => routes(lab.router, 1002);
      const before = await table();
      await lab.router.sh('ip link set wan2 down');
      // The kernel removes the route; the daemon then adds one that leads nowhere.
      const byDevice = (lines: string[]) => lines.some((line) => line.includes('dev wan2'));
      await eventually(table, (lines) => !byDevice(lines), 'no route by a device that is down', TIMEOUT_MS);
      await waitForState(daemon, 'wan down', 'wan2');
      await lab.router.sh('ip link set wan2 up');
      assert.deepEqual(await eventually(table, byDevice, 'the route is back', TIMEOUT_MS), before);
      await waitForState(daemon, 'wan up', 'wan2');
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      await daemon.stop();
    });
  });
});
