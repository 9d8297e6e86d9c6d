/** The kernel's own choice, as the server sees it: by rotation and by draw, with the daemon away and without one. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { chiSquare, limit } from '#wanmark/lab/chi-square.js';
import { iptablesLegacy, namespaces, needs, program } from '../helpers/requires.js';
import { Machine, SERVER, SERVER6, VARIANTS, wans } from './rules-harness.js';
import { done, wanOf } from './rules-steps.js';

const PORT = '7000';

for (const [variant, programs] of Object.entries(VARIANTS)) {
  describe(
    `the kernel's choice, iptables-${variant}`,
    needs(variant === 'nft' ? namespaces : iptablesLegacy, program('conntrack')),
    () => {
      let machine: Machine;
      const nth = { engine: 'kernel', 'kernel-mode': 'nth' };
      const away = { ...nth, engine: 'nfqueue' };

      const up = (config: RawConfig) => done(machine, 'up', config, { env: programs });
      const down = () => assert.equal(machine.wanmark('down', undefined, { env: programs }).status, 0);

      /** The WAN of each of `count` connections in turn, as the server saw them. */
      async function drive(count: number, to = SERVER, from: 'client' | 'router' = 'client', proto = 'tcp') {
        const lines = await machine.call(
          [proto, String(count), to, PORT],
          from === 'router' ? undefined : from,
        );
        const seen = lines.map((line) => Number(wanOf(line)));
        assert.ok(!seen.includes(Number.NaN), lines.join(' '));
        return seen;
      }
      const count = (chosen: number[]) => [1, 2, 3].map((k) => chosen.filter((wan) => wan === k).length);

      before(async () => {
        machine = await Machine.start();
        machine.buildNetwork();
        machine.addLinkLocal();
        const serving = await machine.peer(['serve', PORT, SERVER, SERVER6], 'inet');
        assert.equal(await serving.line(), 'ready');
      });
      after(() => machine.stop());

      test('nth rotates exactly, for the LAN and the router itself, TCP and UDP, both families', async () => {
        up({ ...nth, wan: wans([5, 3, 1]) });
        const first = await drive(9);
        assert.deepEqual(first, [1, 2, 1, 3, 1, 2, 1, 2, 1], 'in smooth order from the first');
        for (const [to, from, proto] of [
          [SERVER, 'client', 'tcp'],
          [SERVER, 'router', 'tcp'],
          [SERVER, 'client', 'udp'],
          [SERVER6, 'client', 'tcp'],
          [SERVER6, 'router', 'udp'],
        ] as const) {
          assert.deepEqual(count(await drive(18, to, from, proto)), [10, 6, 2], `${from} ${to}`);
        }
        // Any window has the exact weights: here one turn is used up, and then whole rounds follow again.
        await drive(1);
        assert.deepEqual(count(await drive(9)), [5, 3, 1]);
      });

      test('nth in place of a daemon: it sees the first packets of forwarded connections, once each', async () => {
        up({ ...away, wan: wans([5, 3, 1]) });
        for (const [to, proto] of [
          [SERVER, 'tcp'],
          [SERVER, 'udp'],
          [SERVER6, 'tcp'],
          [SERVER6, 'udp'],
        ] as const) {
          assert.deepEqual(count(await drive(18, to, 'client', proto)), [10, 6, 2], `${proto} ${to}`);
        }
      });

      test('a rotation goes on where it did not change, and restarts with other weights', async () => {
        for (const engine of [nth, away]) {
          down();
          const config = { ...engine, wan: wans([5, 3, 1]) };
          up(config);
          const begun = await drive(2);
          assert.match(up(config), /nothing to change/);
          assert.equal(machine.wanmark('refresh').status, 0);
          begun.push(...(await drive(3)));
          up({ ...config, exclude: '198.18.0.0/15' });
          const rest = await drive(4);
          // The legacy variant replaces whole tables, so every counter restarts.
          if (variant === 'legacy') assert.deepEqual(rest, [1, 2, 1, 3]);
          else assert.deepEqual(count([...begun, ...rest]), [5, 3, 1]);
          up({ ...config, wan: wans([1, 1, 1]) });
          assert.deepEqual(await drive(4), [1, 2, 3, 1]);
        }
      });

      // The variant makes no difference to these.
      if (variant === 'nft') {
        test('nth: equal weights, a drained WAN, a higher tier, weights with a common divisor', async () => {
          for (const [weights, more, turns, expected] of [
            [[1, 1, 1], [], 12, [4, 4, 4]],
            [[2, 0, 2], [], 12, [6, 0, 6]],
            [[20, 10, 7], ['', '', 'tier=2'], 12, [8, 4, 0]],
            [[0, 0, 7], ['', '', 'tier=2'], 4, [0, 0, 4]],
          ] as const) {
            up({ ...nth, wan: wans([...weights], [...more]) });
            assert.deepEqual(count(await drive(turns)), expected, weights.join());
            assert.deepEqual(count(await drive(turns, SERVER6, 'router')), expected, weights.join());
          }
        });

        test('random draws by weight', async () => {
          for (const engine of [nth, away]) {
            up({ ...engine, 'kernel-mode': 'random', wan: wans([5, 3, 1]) });
            const chosen = await drive(450, SERVER, 'client', 'udp');
            // A correct choice exceeds the limit once in a million runs.
            assert.ok(chiSquare(count(chosen), [250, 150, 50]) <= limit(2), String(count(chosen)));
            const order = chosen.join('');
            assert.notEqual(order.slice(0, 36), order.slice(36, 72), 'no rotation');
          }
        });

        test('any change of engine and mode holds connections, and down leaves the machine as it was', async () => {
          down();
          const before = machine.snapshot();
          const held: { peer: Awaited<ReturnType<typeof machine.peer>>; wan: string }[] = [];
          const random = { 'kernel-mode': 'random' };
          for (const config of [nth, away, { ...nth, ...random }, nth, { ...away, ...random }]) {
            up({ ...config, wan: wans([1, 1, 1]) });
            for (const to of [SERVER, SERVER6]) {
              const peer = await machine.peer(['hold', to, PORT], 'client');
              assert.equal(await peer.line(), 'connected');
              held.push({ peer, wan: (await peer.ask('?'))! });
            }
            for (const { peer, wan } of held) assert.equal(await peer.ask('?'), wan);
          }
          assert.ok(new Set(held.map(({ wan }) => wan)).size > 1);
          for (const { peer } of held) await peer.end();
          down();
          assert.equal(machine.snapshot(), before);
        });
      }
    },
  );
}
