/** What becomes of new connections when all WANs are down, and that nothing else suffers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SERVER_PORT } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { swallow, waitForLastResort, waitForState } from '../helpers/uplinks.js';

/** A failed round lasts as long as its timeout, so a WAN goes down after some five seconds, and up after 1.5. */
const RUN = ['--check', `all=ping,to=${SERVER[4]},interval=0.5,fall=3,rise=3`];
const GATEWAYS = ['gw1', 'gw2'];

describe('all WANs down', needs(nfqueue, addon), () => {
  for (const [resort, expected] of [
    ['main', /^wan1$/],
    ['unreachable', /^E(NET|HOST)UNREACH$/],
    ['blackhole', /^no connection in 2 s$/],
  ] as const) {
    it(`--last-resort ${resort} decides, LAN and router stay reachable, each WAN has its share when back`, async () => {
      const flags = ['--last-resort', resort];
      const options = { wans: 2, ipv6: false, up: flags, run: [...RUN, ...flags] };
      await withLab(options, async ({ lab, daemon, wanmark }) => {
        await Promise.all([lab.router, lab.client].map((host) => host.serve(SERVER_PORT)));
        for (const gateway of GATEWAYS) await swallow(lab, gateway, true);
        for (const wan of ['wan1', 'wan2']) await waitForState(daemon, 'wan down', wan);
        await waitForLastResort(lab);
        assert.deepEqual(
          (await statusOf(wanmark)).wans.map(({ state }) => state),
          ['down', 'down'],
        );
        // Only the checks' pings are lost now, so TCP passes and shows where it goes.
        for (const gateway of GATEWAYS) await swallow(lab, gateway, true, '-p icmp');
        // Only one connection: the kernel sends a host at most one ICMP error a second, and lets others wait
        // (icmp_ratelimit, ip_rt_error_cost).
        const timeoutMs = resort === 'blackhole' ? 2000 : 10_000;
        const [flow] = await lab.connect({ timeoutMs });
        assert.match(flow!.error ?? flow!.wan ?? 'none', expected);
        const inside = [
          ...(await lab.connect({ to: '10.0.0.1', count: 3 })),
          ...(await lab.connect({ from: lab.router, to: lab.client.addresses[4][0]!, count: 3 })),
          ...(await lab.connect({ from: lab.router, to: lab.router.addresses[4][0]!, count: 3 })),
        ];
        assert.deepEqual(
          inside.map(({ error }) => error),
          Array(9).fill(undefined),
        );
        for (const gateway of GATEWAYS) await swallow(lab, gateway, false);
        for (const wan of ['wan1', 'wan2']) await waitForState(daemon, 'wan up', wan);
        assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 3, wan2: 3 });
      });
    });
  }
});
