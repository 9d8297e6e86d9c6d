/** What other people's rules, tunnels and programs do to marks, and what must not come of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { markOf, WAN_FIELD, WAN_MASK } from '../helpers/marks.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { conntrack, eventually, packets } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

const SEND_GRE = `
import socket, sys
tunnel = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
tunnel.setsockopt(socket.SOL_SOCKET, 36, int(sys.argv[2]))  # SO_MARK
tunnel.bind((sys.argv[1], 0))
for host in range(1, 9): tunnel.sendto(b'\\0' * 8, ('203.0.113.%d' % (100 + host), 0))
`;

const BALANCED = { wan1: 3, wan2: 3, wan3: 3 };

describe('a decision', needs(nfqueue, addon, conntrackTable), () => {
  it('is taken back by nobody, and made for nothing that is not ours', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab }) => {
      const { router } = lab;

      // The rule of wg-quick(8), behind ours and in front of ours. It has no mask.
      for (const place of ['-A', '-I'] as const) {
        await router.sh(`iptables -t mangle ${place} PREROUTING -i lan0 -j CONNMARK --restore-mark`);
        assert.deepEqual(tally(await lab.connect({ count: 9 })), BALANCED, `restored, ${place}`);
        await router.sh('iptables -t mangle -D PREROUTING -i lan0 -j CONNMARK --restore-mark');
      }

      // A rule that writes the whole mark of every connection that passes.
      for (const chain of ['PREROUTING', 'FORWARD', 'OUTPUT']) {
        const from = chain === 'OUTPUT' ? router : lab.client;
        await router.sh(`iptables -t mangle -A ${chain} -j CONNMARK --set-mark 5`);
        const held = await lab.connect({ from, count: 9, hold: true });
        assert.deepEqual(tally(await lab.exchange(from, held)), BALANCED, `overwritten in ${chain}`);
        await router.sh(`iptables -t mangle -D ${chain} -j CONNMARK --set-mark 5`);
      }

      // What writes it where no rule of ours is in front of it, or behind it. UDP has no second try, as TCP has.
      const write = (chain: string, words: string) => [
        `iptables -t mangle ${chain} -j CONNMARK ${words}`,
        `iptables -t mangle -D ${chain.slice(3)} -j CONNMARK ${words}`,
      ];
      const writers = [
        write('-I PREROUTING', '--save-mark'),
        write('-I PREROUTING', '--set-mark 5'),
        write('-I OUTPUT', '--save-mark'),
        write('-A POSTROUTING', '--set-mark 5'),
        // A packet that has arrived has no mark.
        write('-A INPUT', '--save-mark'),
      ];
      for (const [add, remove] of writers) {
        await router.sh(add!);
        for (const from of [lab.client, router]) {
          const held = await lab.connect({ from, count: 9, proto: 'udp', hold: true });
          for (const time of ['once', 'twice'])
            assert.deepEqual(
              tally(await lab.exchange(from, held, 2000)),
              BALANCED,
              `${add}, ${from.name}, ${time}`,
            );
        }
        await router.sh(remove!);
      }

      // A packet that has arrived has no mark, so what comes out of a tunnel inherits none.
      await router.sh(`iptables -A INPUT -i wan2 -m mark ! --mark 0/${WAN_MASK}
        iptables -A INPUT -i wan2`);
      await router.serve(7);
      const [inbound] = await lab.connect({ from: lab.server, to: lab.wans[1]!.address, count: 1 });
      assert.equal(inbound?.error, undefined);
      assert.ok((await packets(router, 'filter', 'INPUT', /-i wan2$/)) > 0);
      assert.equal(await packets(router, 'filter', 'INPUT', /-m mark/), 0);

      // A tunnel's packets go by the address of the tunnel, whatever the mark of those inside. (A socket's own mark is
      // what the kernel finds in the packet in both cases.)
      await router.sh('for wan in wan1 wan2 wan3; do iptables -t mangle -A POSTROUTING -o $wan -p gre; done');
      const source = lab.wans[0]!.address;
      await router.exec(['python3', '-c', SEND_GRE, source, String(WAN_FIELD.encode(2))]);
      const gre = (dev: string) => packets(router, 'mangle', 'POSTROUTING', new RegExp(`-o ${dev} -p gre`));
      assert.deepEqual([await gre('wan1'), await gre('wan2'), await gre('wan3')], [8, 0, 0]);

      // A new route by another device: what was chosen is not what came of it, so nobody has the connection.
      await router.sh(`ip link add aside type veth peer name aside2 && ip link set aside up && ip link set aside2 up
        ip rule add priority 10 to 203.0.113.66 lookup 66 && ip route add default dev aside table 66`);
      await router.sh('bash -c "echo x >/dev/udp/203.0.113.66/9"');
      // The packet is with the daemon when its sender has ended, and conntrack lists the connection after the verdict.
      const aside = await eventually(
        async () => (await conntrack(router)).filter(({ dst }) => dst === '203.0.113.66'),
        ({ length }) => length === 1,
        'the connection by the new route',
      );
      assert.equal(aside[0]!.mark, 0);
    });
  });

  it('is not made in nat alone, where nothing would keep it', async () => {
    await withLab({ wans: 3, ipv6: false, up: [] }, async ({ lab }) => {
      await lab.router.sh('iptables -t mangle -F');
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 9 });
    });
  });

  it('outlasts a move to another field, where NAT translates', async () => {
    const choice = ['--engine', 'kernel', '--kernel-mode', 'nth'];
    await withLab({ wans: 3, ipv6: false, up: choice }, async ({ lab, wanmark }) => {
      const held = await lab.connect({ count: 9, proto: 'udp', hold: true });
      assert.deepEqual(tally(held), BALANCED);
      await wanmark.up(...choice, '--mask', '0xff0000');
      assert.deepEqual(tally(await lab.exchange(lab.client, held, 2000)), BALANCED);
    });
  });

  it('outlasts a flush of its table, where NAT gives a fixed address', async () => {
    await withLab({ wans: 3, ipv6: false }, async ({ lab, wanmark }) => {
      const wans = lab.wans.flatMap(({ name, dev, via, address }) => [
        '--wan',
        `${name},dev=${dev},via=${via},nat=${address}`,
      ]);
      await wanmark.command(['up', ...wans, '--kernel-mode', 'nth']);
      const held = await lab.connect({ count: 9, hold: true });
      assert.deepEqual(tally(held), BALANCED);
      await lab.router.sh('iptables -t mangle -F');
      // Packets leave by another device now, which MASQUERADE takes for the end of the connection.
      await lab.exchange(lab.client, held, 200);
      await wanmark.command(['refresh']);
      assert.deepEqual(tally(await lab.exchange(lab.client, held)), BALANCED);
    });
  });
});

describe('a flow that began before up', needs(nfqueue, addon, conntrackTable), () => {
  it('is translated as soon as the rules are there, also when it sends while they are made', async () => {
    await withLab({ wans: 2, ipv6: false }, async ({ lab, wanmark }) => {
      // Something asks for conntrack, as a firewall does, and nothing translates yet.
      await lab.router.sh('iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP');
      const send = (port: number) =>
        lab.client.sh(`bash -c "exec 3<>/dev/udp/203.0.113.10/${port}; echo x >&3"`);
      await send(9);
      // What our rules in mangle do to a packet that comes before those in nat are there.
      const early = `POSTROUTING -p udp -j CONNMARK --set-xmark ${markOf(1)}`;
      await lab.router.sh(`iptables -t mangle -A ${early}`);
      await send(10);
      const flows = async () =>
        (await conntrack(lab.router))
          .filter(({ dst }) => dst === '203.0.113.10')
          .map(({ proto, dport, mark }) => `${proto} ${dport} ${WAN_FIELD.decode(mark)}`)
          .sort();
      await eventually(flows, (all) => all.includes('udp 10 1'), 'the flow that is marked');
      await lab.router.sh(`iptables -t mangle -D ${early}`);
      // What somebody translates, and what was answered.
      await lab.router.sh('iptables -t nat -A POSTROUTING -p udp --dport 11 -j MASQUERADE');
      await send(11);
      await lab.router.sh('ping -c 1 -W 5 203.0.113.10');
      await eventually(
        flows,
        (all) => all.join() === 'icmp 0 0,udp 10 1,udp 11 0,udp 9 0',
        'all four, one of them marked',
      );
      await wanmark.up();
      assert.deepEqual(await flows(), ['icmp 0 0', 'udp 11 0'], 'the next packet of the others begins anew');
      // Only the first `up` is a beginning, whatever the second one changes.
      const local = lab.client.addresses[4][0];
      await lab.router.sh(`bash -c "exec 3<>/dev/udp/${local}/12; echo x >&3"`);
      await wanmark.up('--kernel-mode', 'nth');
      assert.ok((await conntrack(lab.router)).some(({ dport }) => dport === 12));
    });
  });
});
