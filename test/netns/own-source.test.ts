import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually, ipRules, routes } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

describe('the router’s own TCP connections', needs(nfqueue, addon), () => {
  it('by one WAN live on when another WAN gets another address', async () => {
    await withLab({ wans: 2, up: [], run: [] }, async ({ lab, wanmark }) => {
      const from = lab.router;
      const held = await lab.connect({ from, count: 6, hold: true });
      assert.deepEqual(tally(held), { wan1: 3, wan2: 3 });
      const { dev, address, via } = lab.wans[0]!;
      const other = address.replace(/\d+$/, (last) => String(Number(last) + 1));
      await lab.router.sh(`ip addr flush dev ${dev} scope global
ip addr add ${other}/29 dev ${dev}; ip route replace default via ${via}`);
      const alive = await lab.exchange(
        from,
        held.filter(({ wan }) => wan === 'wan2'),
      );
      assert.deepEqual(tally(alive), { wan2: 3 });
      // The way of new ones follows.
      const copy = `default via ${via} dev ${dev}`;
      const table = () => routes(lab.router, 1000);
      await eventually(
        table,
        (lines) => lines.some((line) => line.startsWith(copy)),
        'the copy of the route',
      );

      // A rule about the LAN's addresses is not about the router.
      await lab.router.sh('ip rule add from 10.99.0.0/16 lookup 200');
      await wanmark.command(['refresh']);
      const own = (await ipRules(lab.router)).filter((rule) => rule.includes('iif lo'));
      assert.deepEqual(own, []);
    });
  });
});
