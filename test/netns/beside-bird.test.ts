/** BIRD on the router: routes that come and go, also the default route that a WAN's gateway is taken from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VPN_SERVER } from '#wanmark/lab/network.js';
import { beside } from '../helpers/beside.js';
import { addon, needs, nfqueue, packages, root } from '../helpers/requires.js';
import { routes } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

const COUNT = 20;

/** Its configuration with these routes in main, and one in a table of its own. */
const configured = (...lines: readonly string[]) => `cat >/run/bird.conf <<end
log "/run/bird.log" all;
router id 10.0.0.1;
protocol device { scan time 1; }
protocol kernel { ipv4 { export all; import all; }; learn; }
ipv4 table apart;
protocol kernel { ipv4 { table apart; export all; }; kernel table 77; }
protocol static { ipv4 { table apart; }; route 0.0.0.0/0 unreachable; }
protocol static {
  ipv4;
  ${lines.map((line) => `route ${line};`).join('\n  ')}
}
end
`;

test(
  'BIRD: its routes win where they are specific, and lead a WAN where they are the default',
  needs(nfqueue, addon, root, packages),
  async () => {
    const prepare = (lab: { router: { sh(script: string): Promise<unknown> } }) =>
      lab.router
        .sh(
          'ip route del 172.16.0.0/24; ip route replace default via 198.51.100.9 metric 100; ip route del default metric 0',
        )
        .then(() => undefined);
    await beside({ vpn: true, prepare, tell: (wan) => ({ ...wan, via: 'auto' }) }, async (it) => {
      const { lab } = it;
      await lab.host('vpn').serve(7);
      const toFarEnd = async () => tally(await lab.connect({ to: VPN_SERVER[4], count: COUNT }));
      await it.run(`${configured('0.0.0.0/0 via 198.51.100.1', '172.16.0.0/24 via 10.99.0.2')}
bird -c /run/bird.conf -s /run/bird.ctl -P /run/bird.pid`);
      await it.until('ip route | grep -q "^172.16.0.0/24 .*proto bird"');
      await it.well('its start');
      assert.deepEqual(await toFarEnd(), { none: COUNT });
      assert.match((await routes(lab.router, 77)).join(), /^unreachable default proto bird /);

      await it.run(`${configured('0.0.0.0/0 via 198.51.100.1')}\nbirdc -s /run/bird.ctl configure`);
      await it.until('! ip route | grep "^172.16.0.0/24 "');
      await it.well('it has withdrawn a route');

      // The other WAN has its default route from elsewhere.
      await it.run('birdc -s /run/bird.ctl down');
      await it.until('! ip route | grep "proto bird"');
      await it.well('it has ended, and its default route with it', { wan2: COUNT }, 'wan1');
    });
  },
);
