import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LAN_SERVER, VPN_SERVER } from '#wanmark/lab/network.js';
import { differences, snapshot } from '#wanmark/lab/snapshot.js';
import { masquerade, withLab } from '../helpers/lab.js';
import { conntrackTable, namespaces, needs } from '../helpers/requires.js';
import { conntrack, eventually, ipRules, packets, routes } from '../helpers/router-state.js';
import { dial, release, seen, tally, udpPairs, udpStream } from '../helpers/traffic.js';

// Tests of the test harness itself, on a router without wanmark.

test('a one-way stream: one socket, every datagram counted, no answer', needs(namespaces), () =>
  withLab({ wans: 1 }, async ({ lab }) => {
    await masquerade(lab);
    for (const family of [4, 6] as const) {
      const [entry, ...more] = await udpStream(lab, { family, count: 200, tag: `stream${family}` });
      assert.deepEqual(more, []);
      assert.equal(entry!.messages, 200);
      assert.equal(lab.wanOf(entry!.source), 'wan1');
    }
  }),
);

test('pairs: two datagrams from one socket, both answered', needs(namespaces), () =>
  withLab({ wans: 1 }, async ({ lab }) => {
    await masquerade(lab);
    const pairs = await udpPairs(lab, { count: 50 });
    assert.equal(pairs.length, 50);
    for (const { wans, error } of pairs) assert.deepEqual([wans, error], [['wan1', 'wan1'], undefined]);
    const entries = await seen(lab, 'pairs');
    assert.equal(entries.length, 50);
    assert.ok(entries.every(({ messages }) => messages === 2));
  }),
);

test('a held connection lives on after others were made, each from its own port', needs(namespaces), () =>
  withLab({ wans: 1, clients: 2, clientAddresses: 2 }, async ({ lab }) => {
    await masquerade(lab);
    for (const proto of ['tcp', 'udp'] as const) {
      const held = await lab.connect({ proto, count: 4, hold: true });
      const others = await lab.connect({ proto, count: 4 });
      assert.equal(new Set([...held, ...others].map(({ sport }) => sport)).size, 8);
      assert.deepEqual([...new Set(held.map(({ src }) => src))], ['10.0.0.11', '10.0.0.12']);
      const again = await lab.exchange(lab.client, held);
      assert.deepEqual(tally(again), { wan1: 4 });
      assert.ok(again.every(({ seenAs }) => seenAs.length === 2));
      await release(lab.client, held);
    }
    const [other] = await lab.connect({ from: lab.host('client2') });
    assert.equal(other!.src, '10.0.0.31');
  }),
);

test('the kernel sends a SYN again to a port that drops it', needs(namespaces), () =>
  withLab({ wans: 1, ipv6: false }, async ({ lab }) => {
    await masquerade(lab);
    const gateway = lab.gateway(lab.wans[0]!);
    await gateway.exec(['iptables', '-A', 'FORWARD', '-p', 'tcp', '--dport', '99', '-j', 'DROP']);
    const flow = await dial(lab, { port: 99 });
    const count = () => packets(gateway, 'filter', 'FORWARD', /dport 99/);
    await eventually(count, (syns) => syns >= 2, 'SYNs');
    await release(lab.client, [flow]);
  }),
);

test('inbound connections reach the router by each WAN, and the LAN by a forward', needs(namespaces), () =>
  withLab({ wans: 1, lanServer: true }, async ({ lab }) => {
    await lab.router.serve(8080);
    await lab.host('lanserver').serve(8081);
    await lab.router.sh(`
      iptables -t nat -A PREROUTING -i wan1 -p tcp --dport 8081 -j DNAT --to-destination ${LAN_SERVER[4]}
      ip6tables -t nat -A PREROUTING -i wan1 -p tcp --dport 8081 -j DNAT --to-destination ${LAN_SERVER[6]}`);
    for (const to of lab.wans[0]!.inbound) {
      const family = to.includes(':') ? 6 : 4;
      for (const proto of ['tcp', 'udp'] as const) {
        const [flow] = await lab.connect({ from: lab.server, to, port: 8080, proto, family });
        assert.equal(flow!.error, undefined);
      }
      const [flow] = await lab.connect({ from: lab.server, to, port: 8081, family });
      assert.equal(flow!.seenAs[0]!.address, flow!.src);
    }
  }),
);

test('inbound connections pass a gateway that does the NAT', needs(namespaces), () =>
  withLab({ wans: 2, sharedPort: true }, async ({ lab }) => {
    await lab.router.serve(8080);
    for (const to of lab.wans[0]!.inbound) {
      const family = to.includes(':') ? 6 : 4;
      const [flow] = await lab.connect({ from: lab.server, to, port: 8080, family });
      assert.equal(flow!.error, undefined);
    }
  }),
);

test('a host behind a more specific route is reached without any WAN', needs(namespaces), () =>
  withLab({ wans: 1, vpn: true }, async ({ lab }) => {
    await lab.host('vpn').serve(8080);
    for (const family of [4, 6] as const) {
      const [flow] = await lab.connect({ to: VPN_SERVER[family], port: 8080, family });
      assert.deepEqual(flow!.seenAs, [{ address: flow!.src, port: flow!.sport }]);
    }
  }),
);

test('the connection table is read with marks, addresses and ports', needs(namespaces, conntrackTable), () =>
  withLab({ wans: 1 }, async ({ lab }) => {
    await masquerade(lab);
    await lab.router.sh(
      'for t in iptables ip6tables; do $t -t mangle -A PREROUTING -j CONNMARK --set-mark 0x5ab; done',
    );
    for (const family of [4, 6] as const) {
      const [flow] = await lab.connect({ family });
      const entries = await conntrack(lab.router);
      const entry = entries.find(({ src, sport }) => src === flow!.src && sport === flow!.sport);
      const { proto, dst, dport, mark } = entry!;
      assert.deepEqual({ proto, dst, dport, mark }, { proto: 'tcp', dst: flow!.dst, dport: 7, mark: 0x5ab });
    }
  }),
);

test('rules and routes are read, and a snapshot shows what differs', needs(namespaces), () =>
  withLab({ wans: 1 }, async ({ lab }) => {
    const { router } = lab;
    const before = await snapshot(router);
    assert.deepEqual(differences(before, await snapshot(router)), []);
    await router.sh('ip rule add fwmark 9 lookup 77; ip route add 192.168.7.0/24 via 10.0.0.11 table 77');
    assert.ok((await ipRules(router)).includes('from all fwmark 0x9 lookup 77'));
    assert.deepEqual(await routes(router, 77), ['192.168.7.0/24 via 10.0.0.11 dev lan0 ']);
    assert.deepEqual(await routes(router, 78), []);
    const changed = differences(before, await snapshot(router));
    assert.equal(changed.length, 2);
    assert.match(changed.join('\n'), /\+ \d+:\tfrom all fwmark 0x9 lookup 77\n\+ 192\.168\.7\.0\/24/);
    await router.sh('iptables -A FORWARD -s 10.9.9.9 -j DROP; iptables -A FORWARD -s 10.9.9.8 -j DROP');
    const ordered = await snapshot(router);
    await router.sh('iptables -D FORWARD 1; iptables -A FORWARD -s 10.9.9.9 -j DROP');
    assert.deepEqual(differences(ordered, await snapshot(router)), ['the same lines in another order']);
  }),
);

test('strict rp_filter and forwarding are on, and no address is tentative', needs(namespaces), () =>
  withLab({ vpn: true, lanServer: true }, async ({ lab }) => {
    const { stdout } = await lab.router.sh(
      'cat /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv4/ip_forward',
    );
    assert.match(stdout, /^(1\n)+$/);
    for (const host of lab.hosts.values()) {
      assert.equal((await host.exec(['ip', '-6', 'addr', 'show', 'tentative'])).stdout, '');
    }
  }),
);
