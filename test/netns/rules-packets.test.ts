/** `--per packet`: one flow over all WANs, counted as it leaves the router and as it comes to the gateways. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { chiSquare, limit } from '#wanmark/lab/chi-square.js';
import { WAN_FIELD } from '../helpers/marks.js';
import { iptablesLegacy, namespaces, needs, program } from '../helpers/requires.js';
import { Machine, SERVER, SERVER6, tally, VARIANTS, wans } from './rules-harness.js';

const PORT = '7000';
const NONE = Array(3).fill('nat=none,nat6=none');

for (const [variant, programs] of Object.entries(VARIANTS)) {
  const both = [programs.IPTABLES!, programs.IP6TABLES!];
  describe(
    `packets over several WANs, iptables-${variant}`,
    needs(variant === 'nft' ? namespaces : iptablesLegacy, program('conntrack')),
    () => {
      let machine: Machine;
      const config = {
        engine: 'kernel',
        'kernel-mode': 'nth',
        per: 'packet',
        wan: wans([5, 3, 1], NONE),
      };

      const up = (changes: RawConfig = {}) => {
        const result = machine.wanmark('up', { ...config, ...changes }, { env: programs });
        assert.equal(result.status, 0, result.stderr);
        return result.stderr;
      };
      /** The packets from or to the port so far, by WAN: as they leave the router, and at the gateways. */
      function counted(family: 4 | 6): number[] {
        const tool = both[family === 4 ? 0 : 1]!;
        const read = (table: string, netns?: string) => {
          const rules = machine.sh(`${tool} -t ${table} -nvxL`, {}, netns).split('\n');
          return [1, 2, 3].map((k) => Number(rules.find((rule) => rule.includes(`by${k} `))!.split(/ +/)[1]));
        };
        const [out, arrived] = [read('mangle'), read('raw', 'inet')];
        assert.deepEqual(arrived, out, 'the gateways see what the router sends');
        return out;
      }
      /** Sends one flow of this many packets, each of which is answered; returns where they went. */
      async function flow(count: number, to = SERVER, from: 'client' | 'router' | 'inet' = 'client') {
        const family = to.includes(':') ? 6 : 4;
        const start = counted(family);
        const answers = await machine.call(
          ['stream', String(count), to, PORT],
          from === 'router' ? undefined : from,
        );
        assert.equal(answers.length, count);
        const addresses = Object.keys(tally(answers));
        assert.equal(addresses.length, 1, addresses.join());
        assert.doesNotMatch(addresses[0]!, /failed/);
        return counted(family).map((packets, i) => packets - start[i]!);
      }

      before(async () => {
        machine = await Machine.start();
        machine.buildNetwork();
        machine.addLinkLocal();
        // Nobody translates, so the far end must know the way back, and accept packets by all ways.
        machine.sh(`ip -n inet route add 10.9.0.0/24 via 192.0.1.2; ip -n inet route add 198.18.0.1 via 192.0.1.2
          ip -n inet route add fd09::/64 via 2001:db8:1::2
          ip netns exec inet sh -c 'for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $file; done'`);
        for (const tool of both) {
          for (const k of [1, 2, 3]) {
            const rule = `-p udp -m multiport --ports ${PORT} -m comment --comment by${k}`;
            machine.sh(`${tool} -t mangle -A POSTROUTING -o w${k} ${rule}`);
            machine.sh(`${tool} -t raw -A PREROUTING -i g${k} ${rule}`, {}, 'inet');
          }
        }
        for (const [where, addresses] of [
          ['inet', [SERVER, SERVER6]],
          ['client', ['10.9.0.2']],
          [undefined, ['192.0.1.2']],
        ] as const) {
          assert.equal(await (await machine.peer(['serve', PORT, ...addresses], where)).line(), 'ready');
        }
      });
      after(() => machine.stop());

      test('nth: exactly by weight, for the LAN and the router itself, both families', async () => {
        up({ wan: wans([5, 3, 1], NONE) });
        for (const [to, from] of [
          [SERVER, 'client'],
          [SERVER, 'router'],
          [SERVER6, 'client'],
          [SERVER6, 'router'],
        ] as const) {
          assert.deepEqual(await flow(90, to, from), [50, 30, 10], `${from} ${to}`);
        }
        up({ wan: wans([1, 1, 1], NONE) });
        assert.deepEqual(await flow(30), [10, 10, 10]);
        up({ wan: wans([1, 0, 1], [...NONE.slice(0, 2), `${NONE[2]},tier=2`]) });
        assert.deepEqual(await flow(10), [10, 0, 0], 'drained, and a higher tier');
      });

      test('the router counts them by mark', async () => {
        up({ wan: wans([5, 3, 1], NONE) });
        const byMark = () => [1, 2, 3].map((k) => machine.packets(both[0]!, 'mangle', `wanmark wan${k}`));
        const start = byMark();
        await flow(90);
        // The 90 answers came by the first WAN.
        assert.deepEqual(
          byMark().map((count, i) => count - start[i]!),
          [50 + 90, 30, 10],
        );
      });

      // The variant makes no difference to these.
      if (variant === 'nft') {
        test('random: a draw by weight for each packet', async () => {
          up({ 'kernel-mode': 'random' });
          const counts = await flow(450);
          // A correct choice exceeds the limit once in a million runs.
          assert.ok(chiSquare(counts, [250, 150, 50]) <= limit(2), String(counts));
        });

        test('the far end may answer by any WAN, under strict rp_filter', async () => {
          up();
          machine.sh('ip -n inet route replace 10.9.0.0/24 nexthop via 192.0.2.2 nexthop via 192.0.3.2');
          assert.match(machine.sh('cat /proc/sys/net/ipv4/conf/w[123]/rp_filter'), /^(1\n){3}$/);
          assert.deepEqual(await flow(90), [50, 30, 10]);
          machine.sh('ip -n inet route replace 10.9.0.0/24 via 192.0.1.2');
        });

        test('incoming packets are answered by all WANs if they are routed, and by their own WAN if they are for the router', async () => {
          up();
          // The far end reaches the LAN by the second WAN.
          machine.sh(`ip -n inet route replace 10.9.0.0/24 via 192.0.2.2 src ${SERVER}`);
          assert.deepEqual(await flow(90, '10.9.0.2', 'inet'), [50, 30, 10], 'to the LAN');
          machine.sh('ip -n inet route replace 10.9.0.0/24 via 192.0.1.2');
          // The first WAN is the main table's default, so without its mark the answer would be balanced like any other
          // packet.
          machine.sh(`ip -n inet route add 192.0.1.2/32 dev g1 src ${SERVER}`);
          assert.deepEqual(await flow(20, '192.0.1.2', 'inet'), [20, 0, 0], 'to an address of the router');
          machine.sh('ip -n inet route del 192.0.1.2/32');
        });

        test('specific routes and exclusions stay with the main table', async () => {
          machine.sh(
            'ip route add 203.0.113.0/24 via 192.0.3.1; ip -n inet route replace 10.9.0.0/24 via 192.0.3.2',
          );
          up();
          assert.deepEqual(await flow(10), [0, 0, 10]);
          assert.deepEqual(await flow(10, SERVER, 'router'), [0, 0, 10]);
          machine.sh('ip route del 203.0.113.0/24; ip -n inet route replace 10.9.0.0/24 via 192.0.1.2');
          up({ exclude: '203.0.113.0/24' });
          assert.deepEqual(await flow(10), [10, 0, 0]);
        });

        test('connections live through the change to packets and back', async () => {
          // The answers come by the first WAN, whichever WAN the connection is on.
          const filter = (mode: number) =>
            machine.sh(`for k in 1 2 3; do echo ${mode} > /proc/sys/net/ipv4/conf/w$k/rp_filter; done`);
          filter(2);
          up({ per: 'connection' });
          const hold = async () => {
            const peer = await machine.peer(['hold', SERVER, PORT], 'client');
            assert.equal(await peer.line(), 'connected');
            return peer;
          };
          const held = [await hold(), await hold(), await hold()];
          const stays = async () => {
            for (const peer of held) assert.equal(await peer.ask('?'), '10.9.0.2');
          };
          await stays();
          up();
          await stays();
          held.push(await hold());
          for (let i = 0; i < 9; i++) await stays();
          // An older connection keeps its mark; a new one has none.
          const marks = machine
            .sh(`conntrack -L -p tcp --dport ${PORT} --state ESTABLISHED -o extended 2>/dev/null`)
            .match(/mark=\d+/g)
            ?.map((mark) => String(WAN_FIELD.decode(Number(mark.slice('mark='.length)))));
          assert.deepEqual(tally(marks ?? []), { 1: 2, 2: 1, 0: 1 });
          up({ per: 'connection' });
          await stays();
          for (const peer of held) await peer.end();
          filter(1);
        });

        test('in a family that a WAN translates, connections are spread, and one line says so', async () => {
          const said = (text: string) => text.split('\n').filter((line) => line.startsWith('wanmark: '));
          const nat = ['nat=none,nat6=none', 'nat=masquerade,nat6=none', 'nat=none,nat6=none'];
          const [line, ...more] = said(up({ wan: wans([5, 3, 1], nat) }));
          assert.match(
            line!,
            /warning: WAN wan2 has nat=masquerade, .* IPv4 connections are spread, not packets/,
          );
          assert.deepEqual(more, []);
          const [one, two, three] = await flow(9);
          assert.equal([one, two, three].filter((count) => count === 9).length, 1, 'one WAN has all');
          assert.deepEqual(await flow(90, SERVER6), [50, 30, 10], 'the other family is not concerned');
          // One address for all WANs is right whichever WAN a packet leaves by.
          assert.deepEqual(said(up({ wan: wans([5, 3, 1], Array(3).fill('nat=198.18.0.1,nat6=none')) })), []);
          machine.sh('ip addr add 198.18.0.1/32 dev lo');
          assert.deepEqual(await flow(90), [50, 30, 10]);
          machine.sh('ip addr del 198.18.0.1/32 dev lo');
        });
      }

      test('down leaves the machine as it was', () => {
        assert.equal(machine.wanmark('down', undefined, { env: programs }).status, 0);
        const before = machine.snapshot();
        up();
        assert.equal(machine.wanmark('refresh').status, 0);
        const [show, led] = machine.hasNft()
          ? ['nft list chain inet wanmark mangle4.WANMARK', /^\s*goto mangle4\.WANMARK_NEW$/m]
          : [`${programs.IPTABLES}-save -t mangle`, /-A WANMARK -g WANMARK_NEW/];
        assert.match(machine.sh(show), led, 'refresh knows');
        assert.equal(machine.wanmark('down', undefined, { env: programs }).status, 0);
        assert.equal(machine.snapshot(), before);
      });
    },
  );
}
