import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { WAN_MASK } from '../helpers/marks.js';
import { iptablesLegacy, namespaces, needs, program } from '../helpers/requires.js';
import { Machine, SERVER, SERVER6, tally, VARIANTS, wans } from './rules-harness.js';
import { done, serve, wanOf } from './rules-steps.js';

const PORT = '7000';

for (const [variant, programs] of Object.entries(VARIANTS)) {
  describe(
    `traffic through the rules, iptables-${variant}`,
    needs(variant === 'nft' ? namespaces : iptablesLegacy, program('conntrack')),
    () => {
      let machine: Machine;
      const kernel = { engine: 'kernel', wan: wans([2, 1, 1]) };

      const run = (netns: string | undefined, ...args: string[]) => machine.call(args, netns);
      const up = (config: RawConfig) => done(machine, 'up', config, { env: programs });

      before(async () => {
        machine = await Machine.start();
        machine.buildNetwork();
        machine.addLinkLocal();
        const own = [1, 2, 3].flatMap((k) => [`192.0.${k}.2`, `2001:db8:${k}::2`]);
        await serve(machine, [PORT], [SERVER, SERVER6], 'inet');
        await serve(machine, [PORT], [], 'client');
        await serve(machine, [PORT], own);
        // The control run needs some NAT of its own.
        machine.sh(`${programs.IPTABLES} -t nat -A POSTROUTING -o w1 -j MASQUERADE
        ${programs.IP6TABLES} -t nat -A POSTROUTING -o w1 -j MASQUERADE`);
      });
      after(() => machine.stop());

      test('control: without wanmark everything takes the default route', async () => {
        assert.deepEqual(tally(await run('client', 'tcp', '5', SERVER, PORT)), { '192.0.1.2': 5 });
        assert.deepEqual(tally(await run('client', 'tcp', '5', SERVER6, PORT)), { '2001:db8:1::2': 5 });
      });

      const shared = (lines: string[], total: number) => {
        const counts = tally(lines.map(wanOf));
        const share = [1, 2, 3].map((k) => counts[k] ?? 0);
        assert.equal(share[0]! + share[1]! + share[2]!, total, JSON.stringify(counts));
        // Six standard deviations of a binomial distribution: false alarms are one in 10^8.
        for (const [i, p] of [0.5, 0.25, 0.25].entries()) {
          const slack = 6 * Math.sqrt(total * p * (1 - p));
          assert.ok(Math.abs(share[i]! - total * p) < slack, `WAN ${i + 1}: ${share[i]} of ${total}`);
        }
      };

      test("the kernel engine balances forwarded connections and the router's own", async () => {
        up(kernel);
        for (const netns of ['client', undefined]) {
          for (const protocol of ['tcp', 'udp']) {
            shared(await run(netns, protocol, '200', SERVER, PORT), 200);
            shared(await run(netns, protocol, '200', SERVER6, PORT), 200);
          }
        }
      });

      test('without a daemon the nfqueue engine bypasses to the same choice for forwarded connections', async () => {
        up({ ...kernel, engine: 'nfqueue' });
        const queued = machine.packets(programs.IPTABLES!, 'mangle', 'NFQUEUE');
        shared(await run('client', 'tcp', '200', SERVER, PORT), 200);
        shared(await run('client', 'udp', '200', SERVER6, PORT), 200);
        assert.equal(machine.packets(programs.IPTABLES!, 'mangle', 'NFQUEUE') - queued, 200);
      });

      test('inbound connections are answered by the WAN they came by, under strict rp_filter', async () => {
        up(kernel);
        for (const k of [1, 2, 3]) {
          assert.deepEqual(
            await run('inet', 'tcp', '3', `192.0.${k}.2`, PORT, SERVER),
            Array(3).fill(SERVER),
          );
          assert.deepEqual(
            await run('inet', 'udp', '3', `2001:db8:${k}::2`, PORT, SERVER6),
            Array(3).fill(SERVER6),
          );
        }
        assert.match(machine.sh('cat /proc/sys/net/ipv4/conf/w2/rp_filter'), /1/);
      });

      test('inbound connections through a port-forward, too', async () => {
        up(kernel);
        for (const k of [1, 2, 3]) {
          machine.sh(
            `${programs.IPTABLES} -t nat -A PREROUTING -i w${k} -p tcp --dport 8000 -j DNAT --to 10.9.0.2:${PORT}`,
          );
          assert.deepEqual(
            await run('inet', 'tcp', '3', `192.0.${k}.2`, '8000', SERVER),
            Array(3).fill(SERVER),
          );
        }
      });

      test('foreign bits of the mark survive, and packets are counted per mark', async () => {
        const mangle = `${programs.IPTABLES} -t mangle`;
        up({ ...kernel, mask: '0xff00' });
        // Older connections have their mark in the other field; a reused source port would meet one.
        machine.sh('conntrack -F');
        // The mark is set before our rules, in raw, and checked behind them.
        machine.sh(`${programs.IPTABLES} -t raw -A PREROUTING -i lan0 -j MARK --set-xmark 0x50005/0xffff00ff
        ${mangle} -A POSTROUTING -o w+ -m mark --mark 0x50005/0xffff00ff -m comment --comment kept`);
        const counted = () =>
          [1, 2, 3]
            .map((k) => machine.packets(programs.IPTABLES!, 'mangle', `wanmark wan${k}`))
            .reduce((sum, packets) => sum + packets);
        const before = counted();
        const sent = (await run('client', 'udp', '20', SERVER, PORT)).length;
        assert.equal(machine.packets(programs.IPTABLES!, 'mangle', 'kept'), sent);
        assert.equal(counted() - before, 2 * sent);
        machine.sh(`${programs.IPTABLES} -t raw -F; ${mangle} -D POSTROUTING -o w+ -m mark \
        --mark 0x50005/0xffff00ff -m comment --comment kept`);
        up({ ...kernel, mask: WAN_MASK });
        machine.sh('conntrack -F');
      });

      // The variant makes no difference to these.
      if (variant === 'nft') {
        test('a socket bound to another WAN than the default keeps to it, also with ping -I', async () => {
          for (const engine of ['kernel', 'nfqueue']) {
            up({ ...kernel, engine });
            for (const k of [2, 3]) {
              assert.deepEqual(tally(await run(undefined, 'tcp', '20', SERVER, PORT, `192.0.${k}.2`)), {
                [`192.0.${k}.2`]: 20,
              });
              assert.deepEqual(tally(await run(undefined, 'tcp', '20', SERVER6, PORT, `2001:db8:${k}::2`)), {
                [`2001:db8:${k}::2`]: 20,
              });
              machine.sh(
                `ping -c 2 -i 0.02 -W 5 -I w${k} ${SERVER}; ping -c 2 -i 0.02 -W 5 -I 192.0.${k}.2 ${SERVER}`,
              );
              machine.sh(`ping -c 2 -i 0.02 -W 5 -I 2001:db8:${k}::2 ${SERVER6}`);
            }
          }
        });

        test('specific routes are neither queued nor marked', async () => {
          // Two kinds of specific network: a "VPN" behind the client that main knows, and one that only `exclude` names.
          machine.sh('ip -n client addr add 10.66.0.1/32 dev lo; ip route add 10.66.0.0/16 via 10.9.0.2');
          machine.sh('ip -n client addr add fd66::1/128 dev lo; ip route add fd66::/16 via fd09::2');
          up({ ...kernel, engine: 'nfqueue', exclude: '198.18.0.0/15' });
          const rules = [programs.IPTABLES!, programs.IP6TABLES!];
          const queued = rules.map((program) => machine.packets(program, 'mangle', 'NFQUEUE'));
          assert.deepEqual(tally(await run(undefined, 'tcp', '5', '10.66.0.1', PORT)), { '10.9.0.1': 5 });
          assert.deepEqual(tally(await run(undefined, 'tcp', '5', 'fd66::1', PORT)), { 'fd09::1': 5 });
          assert.deepEqual(tally(await run('client', 'tcp', '5', '10.9.0.1', PORT)), { '10.9.0.2': 5 });
          assert.deepEqual(
            rules.map((program) => machine.packets(program, 'mangle', 'NFQUEUE')),
            queued,
          );
          const left = machine.hasNft()
            ? machine.sh('nft list set inet wanmark specific_4')
            : machine.sh(`${programs.IPTABLES}-save -t mangle`);
          assert.match(
            left,
            machine.hasNft() ? / 198.18.0.0\/15/ : /WANMARK_NEW -d 198.18.0.0\/15 -j RETURN/,
          );
          // The control: without its route the same destination is queued.
          machine.sh('ip route del 10.66.0.0/16');
          const result = machine.wanmark('refresh');
          assert.equal(result.status, 0, result.stderr);
          machine.attempt('ping -c 1 -W 0.2 10.66.0.1');
          assert.equal(machine.packets(programs.IPTABLES!, 'mangle', 'NFQUEUE') > 0, true);
        });

        test('an established connection survives up with other WANs, up again, and refresh', async () => {
          up(kernel);
          const held = await machine.peer(['hold', SERVER, PORT], 'client');
          assert.equal(await held.line(), 'connected');
          const wan = (await held.ask('?'))!;
          assert.match(wan, /^192\.0\.[123]\.2$/);
          for (const weights of [
            [1, 1, 5],
            [1, 1, 5],
            [9, 9, 9],
          ]) {
            up({ ...kernel, wan: wans(weights) });
            assert.equal(await held.ask('?'), wan);
          }
          machine.wanmark('refresh');
          assert.equal(await held.ask('?'), wan);
          // The connection's last packets would count in the next test.
          await held.end();
        });

        test('a WAN with weight 0 gets no new connection, and a higher tier none while a lower one has weight', async () => {
          up({ ...kernel, wan: wans([0, 1, 1], ['', '', 'tier=2']) });
          assert.deepEqual(tally(await run('client', 'tcp', '30', SERVER, PORT)), { '192.0.2.2': 30 });
        });

        test('lan restricts what is balanced to its devices', async () => {
          up({ ...kernel, lan: 'other0', wan: wans([0, 1, 0]) });
          assert.deepEqual(tally(await run('client', 'tcp', '5', SERVER, PORT)), { '192.0.1.2': 5 });
          up({ ...kernel, lan: ['other0', 'lan0'], wan: wans([0, 1, 0]) });
          assert.deepEqual(tally(await run('client', 'tcp', '5', SERVER, PORT)), { '192.0.2.2': 5 });
        });
      }
    },
  );
}
