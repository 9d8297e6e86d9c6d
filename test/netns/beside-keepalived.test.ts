/** keepalived on the router: the addresses that a pair of routers shares, on the LAN and on an uplink. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Host } from '#wanmark/lab/host.js';
import { SERVER } from '#wanmark/lab/network.js';
import { beside, packaged } from '../helpers/beside.js';
import { addon, needs, nfqueue, packages, root } from '../helpers/requires.js';
import { eventually, ipRules } from '../helpers/router-state.js';

const LAN = '10.0.0.254';
/** In the network of wan2, whose router has .10. */
const FLOATING = '198.51.100.13';

/** Starts keepalived; the one with the higher priority has the addresses. */
function start(host: Host, priority: number, more = ''): Promise<string> {
  return packaged(
    host,
    `mkdir -p /etc/keepalived
cat >/etc/keepalived/keepalived.conf <<end
global_defs {
  vrrp_version 3
  script_user root
}
vrrp_instance shared {
  interface lan0
  virtual_router_id 51
  priority ${priority}
  advert_int 0.1
  virtual_ipaddress {
    ${LAN}/24 dev lan0
  }
  ${more}
}
end
keepalived --vrrp --pid /run/keepalived-${host.name} --vrrp_pid /run/vrrp-${host.name} >/run/keepalived.log 2>&1 </dev/null`,
  );
}

const stop = (host: Host) =>
  host.sh(
    `pid=$(cat /run/keepalived-${host.name}); kill $pid; while [ -e /run/keepalived-${host.name} ]; do sleep 0.02; done`,
  );

test(
  'keepalived: shared addresses come and go, and those of an uplink are that uplink’s',
  needs(nfqueue, addon, root, packages),
  async () => {
    await beside({ lanServer: true }, async (it) => {
      const { lab } = it;
      const { router, server } = lab;
      const other = lab.host('lanserver');
      await server.sh(`ip route add ${FLOATING} via ${lab.gateway(lab.wans[1]!).addresses[4][1]}`);
      const hasRule = (there: boolean) =>
        eventually(
          () => ipRules(router),
          (rules) => rules.includes(`from ${FLOATING} lookup 1002 proto 119`) === there,
          `the rule of ${FLOATING}, ${there}`,
        );

      await start(router, 100, `virtual_ipaddress_excluded {\n    ${FLOATING}/29 dev wan2\n  }`);
      await hasRule(true);
      await it.well('it has the addresses');
      const { stdout } = await router.exec(['ip', 'route', 'get', SERVER[4], 'from', FLOATING]);
      assert.match(stdout, / dev wan2 /, 'what the router sends from the address');
      await router.agent.request({ op: 'serve', port: 80, addresses: [FLOATING] });
      const inbound = await lab.connect({ from: server, to: FLOATING, port: 80, count: 10 });
      assert.deepEqual(
        inbound.flatMap(({ error }) => error ?? []),
        [],
        'connections to the address',
      );

      await start(other, 200);
      await it.until(`! ip address | grep -q ${FLOATING}`);
      await hasRule(false);
      await it.well('the other router has the addresses');

      await stop(other);
      await hasRule(true);
      await it.well('it has them again');

      await stop(router);
      await hasRule(false);
      await it.well('it has ended');
    });
  },
);
