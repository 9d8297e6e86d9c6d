/** WANs that are down, in the kernel's own choice: who gets their connections, and what happens if no WAN is up. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { markOf } from '../helpers/marks.js';
import { addon, iptablesLegacy, namespaces, needs, nfqueue, program } from '../helpers/requires.js';
import { Machine, SERVER, SERVER6, VARIANTS, wans } from './rules-harness.js';
import { done, wanOf } from './rules-steps.js';

const PORT = '7000';
const QUEUE_PEER = new URL('./rules-queue-peer.js', import.meta.url).pathname;

for (const [variant, programs] of Object.entries(VARIANTS)) {
  describe(
    `WANs that are down, iptables-${variant}`,
    needs(variant === 'nft' ? namespaces : iptablesLegacy, program('conntrack')),
    () => {
      let machine: Machine;
      const kernel = { engine: 'kernel', 'kernel-mode': 'nth' };
      const away = { ...kernel, engine: 'nfqueue' };

      const ok = (verb: string, config?: RawConfig) => done(machine, verb, config, { env: programs });
      const up = (config: RawConfig) => ok('up', config);
      /** Refreshes as the daemon does. */
      const say = (down: string, weights: Record<string, number> = {}) => {
        const result = machine.refresh({ down, weights });
        assert.equal(result.status, 0, result.stderr);
        return result.stderr;
      };

      /** The WANs that the rules have no route for, as the daemon reads them. */
      const unusable = (): string[] => JSON.parse(machine.sh('cat /run/wanmark/state/plan.json')).unusable;

      const run = (netns: string | undefined, ...args: string[]) => machine.call(args, netns);

      /** How many of `count` connections left by each WAN. */
      async function shares(count: number, to = SERVER, from: 'client' | 'router' = 'client', proto = 'tcp') {
        const lines = await run(from === 'router' ? undefined : from, proto, String(count), to, PORT);
        const chosen = lines.map((line) => Number(wanOf(line)));
        assert.ok(!chosen.includes(Number.NaN), lines.join(' '));
        return [1, 2, 3].map((k) => chosen.filter((wan) => wan === k).length);
      }

      before(async () => {
        machine = await Machine.start();
        machine.buildNetwork();
        machine.addLinkLocal();
        if (variant === 'legacy') machine.loadLegacy();
        const serving = await machine.peer(['serve', PORT, SERVER, SERVER6], 'inet');
        assert.equal(await serving.line(), 'ready');
        const behind = await machine.peer(['serve', PORT, '10.9.0.2'], 'client');
        assert.equal(await behind.line(), 'ready');
        const itself = await machine.peer(['serve', '7001', '10.9.0.1']);
        assert.equal(await itself.line(), 'ready');
      });
      after(() => machine.stop());

      // How the rules choose is the same in both variants; how a choice is changed is not.
      const engines = variant === 'nft' ? { kernel, 'daemon away': away } : { 'daemon away': away };
      for (const [engine, config] of Object.entries(engines)) {
        test(`${engine}: the others share exactly, per family and tier, and it gets its share again`, async () => {
          const clean = machine.snapshot();
          up({ ...config, wan: wans([3, 2, 1], ['', '', 'tier=2']) });
          for (const [down, four, six] of [
            ['', [6, 4, 0], [6, 4, 0]],
            ['wan1', [0, 10, 0], [0, 10, 0]],
            ['wan1/4', [0, 10, 0], [6, 4, 0]],
            ['wan2/6 wan1/6', [6, 4, 0], [0, 0, 10]],
            ['wan1 wan2', [0, 0, 10], [0, 0, 10]],
            ['wan3', [6, 4, 0], [6, 4, 0]],
            ['', [6, 4, 0], [6, 4, 0]],
          ] as const) {
            say(down);
            assert.deepEqual(await shares(10), four, `IPv4, down: ${down}`);
            assert.deepEqual(await shares(10, SERVER6, 'client', 'udp'), six, `IPv6, down: ${down}`);
          }
          if (engine === 'kernel') {
            say('wan1');
            assert.deepEqual(await shares(6, SERVER, 'router'), [0, 6, 0]);
          }
          ok('down');
          assert.equal(machine.snapshot(), clean);
        });
      }

      if (variant === 'nft') {
        test('the last states hold until others are given, or until up', async () => {
          const config = { ...kernel, wan: wans([1, 1, 1]) };
          up(config);
          say('wan1');
          assert.deepEqual(await shares(6), [0, 3, 3]);
          ok('refresh');
          assert.deepEqual(await shares(6), [0, 3, 3]);
          assert.match(up(config), /(-A |add rule inet wanmark \S+\.)WANMARK_KERNEL/);
          assert.deepEqual(await shares(6), [2, 2, 2]);
          // A daemon may have WANs that the rules do not have.
          say('wan3 wan4', { wan4: 5 });
          assert.deepEqual(await shares(6), [3, 3, 0]);
          ok('down');
        });

        test('current weights are exact, until others are given, or until up', async () => {
          const clean = machine.snapshot();
          const config = { ...kernel, wan: wans([1, 1, 0]) };
          up(config);
          say('', { wan1: 4, wan3: 1 });
          assert.deepEqual(await shares(12), [8, 2, 2]);
          assert.deepEqual(await shares(12, SERVER6), [8, 2, 2]);
          say('wan2', { wan1: 4, wan3: 1 });
          assert.deepEqual(await shares(10), [8, 0, 2]);
          say('', { wan3: 0 });
          assert.deepEqual(await shares(6), [3, 3, 0]);
          say('', { wan1: 0 });
          ok('refresh');
          assert.deepEqual(await shares(6), [0, 6, 0]);
          // The rules cannot have these weights (too long a rotation, or all 0), so the configured ones count.
          for (const weights of [{ wan1: 300 }, { wan1: 0, wan2: 0 }]) {
            say('', weights);
            assert.deepEqual(await shares(6), [3, 3, 0], JSON.stringify(weights));
          }
          say('', { wan2: 0 });
          up(config);
          assert.deepEqual(await shares(6), [3, 3, 0]);
          ok('down');
          assert.equal(machine.snapshot(), clean);
        });
      }

      test('one restore names one chain; counters, jumps and connections go on', async () => {
        for (const [config, table] of [
          [kernel, 'mangle'],
          [away, 'nat'],
        ] as const) {
          up({ ...config, wan: wans([1, 1, 1]) });
          machine.sh('conntrack -F');
          const held = await machine.peer(['hold', SERVER, PORT], 'client');
          assert.equal(await held.line(), 'connected');
          const wan = (await held.ask('?'))!;
          // A rule of nft counts nothing unless it is told to.
          const other = machine.hasNft() ? 'wanmark wan1' : 'WANMARK_NEW -m addrtype --dst-type LOCAL';
          const counted = () => machine.packets(programs.IPTABLES!, 'mangle', 'wanmark wan');
          machine.sh('ping -c 1 -W 5 10.9.0.1', {}, 'client');
          const seen = machine.packets(programs.IPTABLES!, 'mangle', other);
          const before = counted();
          const name = `wan${/^192\.0\.(\d)/.exec(wan)![1]}`;
          const said = say(name);
          const lines = said.split('\n').filter((line) => line.startsWith('# '));
          if (machine.hasNft()) {
            const commands = lines.filter((line) => / chain | rule /.test(line));
            assert.ok(commands.length > 0, said);
            for (const line of commands)
              assert.match(line, /^# (flush chain|add rule) inet wanmark (mangle|nat)[46]\.WANMARK_KERNEL\b/);
          } else {
            assert.equal(lines.filter((line) => line.includes('-restore')).length, 2, said);
            assert.deepEqual(
              lines.filter((line) => /^# \*/.test(line)),
              [`# *${table}`, `# *${table}`],
            );
            for (const line of lines.filter((text) => /^# (:|-)/.test(text)))
              assert.match(line, /^# (:WANMARK_KERNEL - |-A WANMARK_KERNEL )/);
          }
          assert.ok(counted() >= before);
          assert.ok(machine.packets(programs.IPTABLES!, 'mangle', other) >= seen);
          // The connection's WAN gets nothing new, but keeps it.
          assert.equal(await held.ask('?'), wan);
          await held.end();
        }
        ok('down');
      });

      test(
        'no packet that waits in the queue is lost while a WAN goes down',
        needs(nfqueue, addon),
        async () => {
          up({ ...away, wan: wans([1, 1, 1]) });
          const holder = await machine.peer([], undefined, QUEUE_PEER);
          assert.equal(await holder.line(), 'ready');
          holder.pause();
          const queued = () => machine.packets(programs.IPTABLES!, 'mangle', 'NFQUEUE');
          const before = queued();
          const sending = run('client', 'burst', '20', SERVER, PORT);
          while (queued() < before + 20) await new Promise(setImmediate);
          for (const down of ['wan1', '', 'wan1 wan3']) say(down);
          holder.resume();
          // The kernel chooses for the packets when they are let go, and then only the second WAN is up.
          assert.deepEqual(await sending, Array(20).fill('192.0.2.2'));
          assert.equal(await holder.ask('?'), '20');
          await holder.end();
          ok('down');
        },
      );

      if (variant === 'legacy') return;

      for (const [resort, four, six] of [
        ['main', /^192\.0\.1\.2$/, /^2001:db8:1::2$/],
        ['unreachable', /^failed: .*E(NET|HOST)UNREACH/, /^failed: .*E(NET|HOST)UNREACH/],
        ['blackhole', /^failed: timed out$/, /^failed: timed out$/],
      ] as const) {
        test(`no WAN is up: ${resort}`, async () => {
          const clean = machine.snapshot();
          // Each silent refusal costs the client its timeout.
          for (const config of resort === 'blackhole' ? [away] : [kernel, away]) {
            up({ ...config, wan: wans([1, 1, 1]), 'last-resort': resort });
            assert.deepEqual(await shares(6), [2, 2, 2]);
            // First every WAN is down in one family, then in both.
            say('wan1/6 wan2/6 wan3/6');
            assert.deepEqual(await shares(6, SERVER), [2, 2, 2]);
            say('wan1 wan2 wan3');
            const [line4, line6] = await Promise.all(
              [SERVER, SERVER6].map(
                async (to) => (await machine.call(['tcp', '1', to, PORT], 'client', 2000))[0]!,
              ),
            );
            assert.match(line4!, four);
            assert.match(line6!, six);
            // These still work: the LAN in both directions, a network behind a specific route, and the router's own
            // connections.
            assert.deepEqual(await run(undefined, 'tcp', '1', '10.9.0.2', PORT), ['10.9.0.1']);
            machine.sh(
              `ping -c 1 -W 5 10.9.0.1; ping -c 1 -W 5 192.0.3.1; ping -c 1 -W 5 fd09::1`,
              {},
              'client',
            );
            for (const to of [SERVER, SERVER6]) assert.deepEqual(await shares(2, to, 'router'), [2, 0, 0]);
            // Inbound connections are answered as long as somebody listens.
            assert.deepEqual(await run('inet', 'tcp', '1', '192.0.2.2', '7001', SERVER), [SERVER]);
            say('wan1');
            assert.deepEqual(await shares(6), [0, 3, 3]);
            ok('down');
            machine.sh('conntrack -F');
          }
          assert.equal(machine.snapshot(), clean);
        });
      }

      test('packets that are spread: only over the WANs that are up', async () => {
        const none = Array(3).fill('nat=none,nat6=none');
        up({ ...kernel, per: 'packet', wan: wans([1, 1, 1], none) });
        say('wan2');
        const counts = () =>
          [1, 2, 3].map((k) => machine.packets(programs.IPTABLES!, 'mangle', `wanmark wan${k}"`));
        const before = counts();
        machine.attempt(`ping -c 8 -i 0.05 -W 0.1 ${SERVER}`, {}, 'client');
        const more = counts().map((count, i) => count - before[i]!);
        assert.deepEqual(more, [4, 0, 4]);
        ok('down');
      });

      test('a WAN without a route: new connections avoid it; its own and a probe do not leave by another WAN', async () => {
        const clean = machine.snapshot();
        for (const config of [kernel, away]) {
          up({ ...config, wan: wans([1, 1, 1], ['', 'nat=192.0.2.2']) });
          say('wan1 wan3');
          const held = await machine.peer(['hold', SERVER, PORT], 'client');
          assert.equal(await held.line(), 'connected');
          assert.equal(await held.ask('?'), '192.0.2.2');
          say('');
          machine.sh('ip link set w2 down');
          // The daemon does not know yet: the main table carries the connections without a route, so that none fails.
          const meanwhile = await run('client', 'tcp', '6', SERVER, PORT);
          assert.deepEqual(
            meanwhile.filter((line) => !/^192\.0\.[13]\.2$/.test(line)),
            [],
          );
          const said = ok('refresh');
          assert.match(said, /^wanmark: WAN wan2: w2 is down.*left out$/m);
          assert.match(said, /ip -4 route replace unreachable default table 1002 /);
          assert.deepEqual(unusable(), ['wan2/4', 'wan2/6']);
          assert.deepEqual(await shares(6), [3, 0, 3]);
          assert.deepEqual(await shares(6, SERVER6), [3, 0, 3]);
          const mangle = `${programs.IPTABLES} -t mangle`;
          const strayed = `POSTROUTING ! -o w2 -p tcp -m connmark --mark ${markOf(2)} -m comment --comment strayed`;
          const asked = `PREROUTING -i lan0 -m mark --mark ${markOf(2)} -m comment --comment asked`;
          machine.sh(`${mangle} -A ${strayed}; ${mangle} -A ${asked}`);
          const probe = await run(undefined, 'tcp', '1', SERVER, PORT, '192.0.2.2');
          assert.match(probe[0]!, /^failed: .*E(NET|HOST)UNREACH/);
          held.tell('?');
          while (machine.packets(programs.IPTABLES!, 'mangle', 'asked') === 0)
            await new Promise(setImmediate);
          assert.equal(machine.packets(programs.IPTABLES!, 'mangle', 'strayed'), 0);
          machine.sh(`${mangle} -D ${strayed}; ${mangle} -D ${asked}`);
          if (machine.hasNft()) machine.sh('nft delete table ip mangle');
          machine.sh(
            'ip link set w2 up; ip addr replace 2001:db8:2::2/64 dev w2; ip addr replace fe80::2/64 dev w2',
          );
          machine.until('ip -6 route get fibmatch 2001:db8:2::1 oif w2 | grep -q kernel');
          ok('refresh');
          assert.deepEqual(unusable(), []);
          assert.equal(await held.line(), '192.0.2.2', 'it goes on where it was');
          assert.deepEqual(await shares(6), [2, 2, 2]);
          await held.end();
          ok('down');
        }
        assert.deepEqual(machine.snapshot().split('\n').sort(), clean.split('\n').sort());
      });
    },
  );
}
