import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { LAN_SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { packets } from '../helpers/router-state.js';

const ROUTER_PORT = 2222;
const FORWARDED_PORT = 8080;

/** Makes each gateway count the packets from the router with the address of each WAN. */
async function watchGateways(lab: Lab): Promise<void> {
  for (const gateway of lab.wans) {
    const rules = lab.wans.flatMap(({ inbound }) =>
      inbound.map(
        (address) => `${address.includes(':') ? 'ip6' : 'ip'}tables -t raw -A PREROUTING -s ${address}`,
      ),
    );
    await lab.gateway(gateway).sh(rules.join('\n'));
  }
}

async function forwardPort(lab: Lab): Promise<void> {
  await lab.host('lanserver').serve(FORWARDED_PORT);
  await lab.router.sh(
    lab.wans
      .flatMap(({ dev }) => [
        `iptables -t nat -A PREROUTING -i ${dev} -p tcp --dport ${FORWARDED_PORT} -j DNAT --to ${LAN_SERVER[4]}`,
        `iptables -t nat -A PREROUTING -i ${dev} -p udp --dport ${FORWARDED_PORT} -j DNAT --to ${LAN_SERVER[4]}`,
        `ip6tables -t nat -A PREROUTING -i ${dev} -p tcp --dport ${FORWARDED_PORT} -j DNAT --to ${LAN_SERVER[6]}`,
        `ip6tables -t nat -A PREROUTING -i ${dev} -p udp --dport ${FORWARDED_PORT} -j DNAT --to ${LAN_SERVER[6]}`,
      ])
      .join('\n'),
  );
}

describe('an inbound connection', needs(nfqueue, addon), () => {
  it('that goes on to the Internet does so by main, strict rp_filter on, and is answered by the WAN it came in by', async () => {
    await withLab({ wans: 2, clients: 1, up: [], run: [] }, async ({ lab, daemon }) => {
      // The client is what main's default route leads to, as the Internet beyond a hub of tunnels is.
      const [client] = lab.clients;
      const far = { 4: '192.0.2.77', 6: '2001:db8:77::7' } as const;
      await client!.sh(`ip addr add ${far[4]}/32 dev lo; ip addr add ${far[6]}/128 dev lo nodad`);
      await client!.agent.request({ op: 'serve', port: ROUTER_PORT, addresses: [far[4], far[6]] });
      const lan = { 4: client!.addresses[4][0]!, 6: client!.addresses[6][0]! };
      await lab.router.sh(
        `ip route replace default via ${lan[4]}; ip -6 route replace default via ${lan[6]}`,
      );
      for (const wan of lab.wans) {
        await lab.gateway(wan).sh(`
          ip route replace ${far[4]} via ${wan.address}; ip route replace ${far[6]} via ${wan.address6}`);
        await lab.server.sh(`
          ip route replace ${far[4]} via 203.0.113.${100 + wan.number}
          ip route replace ${far[6]} via 2001:db8:f::${100 + wan.number}`);
        for (const family of [4, 6] as const) {
          await lab
            .gateway(wan)
            .sh(`ip${family === 6 ? '6' : ''}tables -t raw -A PREROUTING -s ${far[family]}`);
          for (const proto of ['tcp', 'udp'] as const) {
            const [flow] = await lab.connect({
              ...{ from: lab.server, to: far[family], port: ROUTER_PORT, proto, family },
            });
            assert.equal(flow?.error, undefined, `${proto} by ${wan.name} to ${far[family]}`);
          }
          const back = await packets(
            lab.gateway(wan),
            'raw',
            'PREROUTING',
            new RegExp(`-s ${far[family]}/`),
            family,
          );
          assert.ok(back > 0, `answers by ${wan.name}`);
        }
      }
      await daemon.stop();
      assert.deepEqual(daemon.decisions, []);
    });
  });

  for (const sharedPort of [false, true]) {
    const ports = sharedPort ? 'three gateways behind one port' : 'a port for each WAN';
    it(`is answered by the WAN it came in by, strict rp_filter on (${ports})`, async () => {
      await withLab({ wans: 3, sharedPort, lanServer: true, up: [], run: [] }, async ({ lab, daemon }) => {
        const { stdout } = await lab.router.sh('cat /proc/sys/net/ipv4/conf/all/rp_filter');
        assert.equal(stdout.trim(), '1');
        await lab.router.serve(ROUTER_PORT);
        await forwardPort(lab);
        if (!sharedPort) await watchGateways(lab);
        for (const wan of lab.wans) {
          for (const to of wan.inbound) {
            for (const port of [ROUTER_PORT, FORWARDED_PORT]) {
              for (const proto of ['tcp', 'udp'] as const) {
                const family = to.includes(':') ? 6 : 4;
                const [flow] = await lab.connect({
                  from: lab.server,
                  to,
                  port,
                  proto,
                  family,
                });
                assert.equal(flow?.error, undefined, `${proto} to ${wan.name} ${to} port ${port}`);
              }
            }
          }
        }
        // With one port, an answer by another gateway would have had another address and failed above.
        for (const wan of sharedPort ? [] : lab.wans) {
          for (const address of lab.wans.flatMap(({ inbound }) => inbound)) {
            const family = address.includes(':') ? 6 : 4;
            const count = await packets(
              lab.gateway(wan),
              'raw',
              'PREROUTING',
              new RegExp(`-s ${address}/`),
              family,
            );
            assert.equal(
              count > 0,
              wan.inbound.includes(address),
              `${count} answers of ${address} by ${wan.name}`,
            );
          }
        }
        await daemon.stop();
        assert.deepEqual(daemon.decisions, [], 'inbound connections and their answers are no decisions');
      });
    });
  }

  it('does not advance the strategy', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab }) => {
      await lab.router.serve(ROUTER_PORT);
      const order: (string | undefined)[] = [];
      for (const wan of [...lab.wans, ...lab.wans]) {
        await lab.connect({ from: lab.server, to: wan.inbound[0]!, port: ROUTER_PORT });
        order.push((await lab.connect())[0]?.wan);
      }
      assert.deepEqual(order, ['wan1', 'wan2', 'wan3', 'wan1', 'wan2', 'wan3']);
    });
  });
});
