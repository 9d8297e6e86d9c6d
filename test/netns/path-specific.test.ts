import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LAN_SERVER, VPN_SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { conntrack, packets } from '../helpers/router-state.js';

describe('a destination with a more specific route', needs(nfqueue, addon, conntrackTable), () => {
  it('is neither queued nor marked, by the client or the router: VPN, LAN, the router itself', async () => {
    await withLab({ wans: 3, vpn: true, lanServer: true, up: [], run: [] }, async ({ lab, daemon }) => {
      await lab.host('vpn').serve(7);
      await lab.host('lanserver').serve(7);
      await lab.router.serve(7);
      for (const family of [4, 6] as const) {
        for (const proto of ['tcp', 'udp'] as const) {
          for (const [from, to] of [
            [lab.client, VPN_SERVER[family]],
            [lab.router, VPN_SERVER[family]],
            [lab.router, LAN_SERVER[family]],
            [lab.client, lab.router.addresses[family][0]!],
          ] as const) {
            const [flow] = await lab.connect({ from, to, family, proto });
            assert.equal(flow?.error, undefined, `${proto} from ${from.name} to ${to}`);
          }
        }
        assert.equal(await packets(lab.router, 'mangle', 'WANMARK_NEW', /NFQUEUE/, family), 0);
      }
      const marked = (await conntrack(lab.router)).filter(({ mark }) => mark !== 0);
      assert.deepEqual(marked, []);
      await daemon.stop();
      assert.deepEqual(daemon.decisions, []);
    });
  });

  it('can also be given by --exclude', async () => {
    await withLab(
      { wans: 2, ipv6: false, up: ['--exclude', '203.0.113.0/24'], run: [] },
      async ({ lab, daemon }) => {
        const flows = await lab.connect({ from: lab.router, count: 5 });
        assert.deepEqual(
          flows.map(({ wan }) => wan),
          Array(5).fill('wan1'),
          'by the main table',
        );
        const [untranslated] = await lab.connect({ timeoutMs: 1000 });
        assert.equal(
          untranslated?.wan,
          undefined,
          'a client keeps its own address, to which nothing comes back',
        );
        const entries = await conntrack(lab.router);
        assert.ok(entries.some(({ src }) => src === lab.client.addresses[4][0]));
        await daemon.stop();
        assert.deepEqual(daemon.decisions, []);
      },
    );
  });
});
