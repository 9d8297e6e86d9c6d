/** Clients keep their WANs, as the server sees it: with the daemon, without it, and over all changes in between. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import type { Status } from '#wanmark/control/status.js';
import { addon, iptablesLegacy, needs, nfqueue, program } from '../helpers/requires.js';
import { Machine, SERVER, SERVER6, tally, VARIANTS, wans } from './rules-harness.js';
import { done, serve, startDaemon, wanOf } from './rules-steps.js';

/** The ports of the server, by the policy that is for them. */
const PORTS = { default: '7000', web: '7001' } as const;
type To = keyof typeof PORTS;

/** The number of a client's WAN, by the client's address. */
type Places = ReadonlyMap<string, string>;

/** Each has an IPv4 address, or a network /64 of its own, in which its address changes. */
const client = (i: number) => (i % 3 === 2 ? `fd09:0:0:${i}::2` : `10.9.0.${i}`);
const FIRST = Array.from({ length: 9 }, (_, i) => client(i + 10));
const LATER = Array.from({ length: 9 }, (_, i) => client(i + 20));
const ALL = [...FIRST, ...LATER];
/** The second address of a client whose network is its own. */
const changed = (address: string) => address.replace(/::2$/, '::3');

for (const [variant, programs] of Object.entries(VARIANTS)) {
  describe(
    `sticky, iptables-${variant}`,
    needs(variant === 'nft' ? nfqueue : iptablesLegacy, addon, program('ipset')),
    () => {
      let machine: Machine;
      let config: RawConfig;
      let places: Places;

      const up = (raw: RawConfig = config) => done(machine, 'up', raw, { env: programs });
      /** The WAN by which the server saw each client come, by whichever of its addresses. */
      async function look(clients: readonly string[], to: To = 'default'): Promise<Places> {
        const found = clients.map(async (one): Promise<[string, string]> => {
          const server = one.includes(':') ? SERVER6 : SERVER;
          const calls = [one, changed(one), one].map((from) =>
            machine.call(['tcp', '2', server, PORTS[to], from], 'client'),
          );
          const lines = (await Promise.all(calls)).flat();
          const [wan, ...others] = Object.keys(tally(lines.map(wanOf)));
          assert.deepEqual([lines.length, others], [6, []], `${one} by ${wan} and others`);
          return [one, wan!];
        });
        return new Map(await Promise.all(found));
      }
      const start = () => startDaemon(machine, config, programs);
      const status = (): Status => JSON.parse(machine.command(['status', '--json']).stdout);
      const set = (...args: string[]) => {
        const result = machine.command(['set', ...args]);
        assert.equal(result.status, 0, result.stderr);
      };
      /** Waits until the kernel keeps as many clients of a policy. */
      const kept = (policy: To, count: number) =>
        machine.until(`[ "$(ipset save | grep -c '^add WANMARK_.C_${policy}_')" = ${count} ]`);
      /** The clients of the others stay, and those of this WAN have moved. */
      const assertMoved = (now: Places, wan: string) => {
        for (const [one, had] of places) {
          if (had === wan) assert.notEqual(now.get(one), wan, one);
          else assert.equal(now.get(one), had, one);
        }
        assert.ok([...places.values()].includes(wan), `nobody was on ${wan}`);
      };

      before(async () => {
        machine = await Machine.start();
        machine.buildNetwork();
        machine.addLinkLocal();
        await serve(machine, Object.values(PORTS), [SERVER, SERVER6], 'inet');
        machine.sh(
          ALL.flatMap((one) =>
            one.includes(':')
              ? [
                  `ip -n client addr add ${one}/128 dev eth0; ip -n client addr add ${changed(one)}/128 dev eth0`,
                  `ip route add ${one.replace(/::2$/, '::/64')} via fd09::2`,
                ]
              : [`ip -n client addr add ${one}/24 dev eth0`],
          ).join('\n'),
        );
        config = {
          wan: wans([1, 1, 1]),
          strategy: 'random',
          sticky: 'src:for=1h',
          policy: ['web,use=wan1+wan2+wan3:tier=2,strategy=random,sticky=src:for=90s'],
          rule: [`web,proto=tcp,dport=${PORTS.web}`],
          'up-after': '0',
          'slow-start': '0',
          // On a busy machine a late decision would be the kernel's.
          deadline: '10000',
        };
      });
      after(() => machine.stop());

      test('the kernel alone keeps clients, with either engine', async () => {
        up({ ...config, engine: 'kernel' });
        places = await look(FIRST);
        assert.ok(new Set(places.values()).size > 1, 'all by one WAN');
        up();
        assert.deepEqual(await look(FIRST), places);
        kept('default', FIRST.length);
      });

      test('the daemon takes up what the kernel has kept, and the kernel what the daemon has', async () => {
        const running = await start();
        try {
          assert.equal(status().sticky?.clients, FIRST.length);
          const now = await look(ALL);
          for (const [one, wan] of places) assert.equal(now.get(one), wan, one);
          places = now;
          const { sticky, wans: lines } = status();
          assert.deepEqual(
            { ...sticky },
            {
              ...{ by: 'src', forSeconds: 3600, bound: null, clients: ALL.length, kernel: true },
              ...{ hits: 6 * ALL.length - LATER.length, moves: 0, evictions: 0 },
            },
          );
          assert.equal(
            lines.reduce((sum, { clients }) => sum + (clients ?? 0), 0),
            ALL.length,
          );
          kept('default', ALL.length);
        } finally {
          await running.stop('SIGKILL');
        }
        assert.deepEqual(await look(ALL), places, 'killed');
      });

      test('a client moves when its WAN is down, and stays where it came to', async () => {
        const running = await start();
        try {
          set('wan2', 'state=down');
          const moved = new Map(await look(FIRST));
          for (const one of LATER) moved.set(one, '');
          // A daemon that is killed has told the kernel all but the last 50 ms.
          const left = LATER.filter((one) => places.get(one) === '2').length;
          machine.until(`[ "$(ipset save | grep -c '^add WANMARK_.C_default_2 ')" = ${left} ]`);
          await running.stop('SIGKILL');
          // The others are moved by the kernel, which goes by the state that the daemon has left.
          for (const [one, wan] of await look(LATER)) moved.set(one, wan);
          assertMoved(moved, '2');
          places = moved;
          const again = await start();
          try {
            assert.deepEqual(await look(ALL), places, 'the WAN is back');
            assert.equal(status().sticky?.moves, 0);
            assert.equal(status().sticky?.clients, ALL.length, 'none is in two sets');
          } finally {
            await again.stop('SIGTERM');
          }
        } finally {
          await running.stop('SIGKILL');
        }
        up({ ...config, engine: 'kernel' });
        assert.deepEqual(await look(ALL), places, 'the other engine');
      });

      test('a policy has clients of its own, who stay in a higher tier', async () => {
        up();
        const running = await start();
        try {
          set('wan1', 'state=down');
          set('wan2', 'state=down');
          const three = new Map(FIRST.map((one) => [one, '3']));
          assert.deepEqual(await look(FIRST, 'web'), three);
          set('wan1', 'state=auto');
          set('wan2', 'state=auto');
          assert.deepEqual(await look(FIRST, 'web'), three);
          for (const [one, wan] of await look(LATER, 'web')) assert.notEqual(wan, '3', one);
          assert.equal(status().policies.find(({ name }) => name === 'web')?.sticky?.clients, ALL.length);
          assert.match(machine.command(['status']).stdout, /sticky by src for 1 min 30 s: 18 clients, /);
          kept('web', ALL.length);
        } finally {
          await running.stop('SIGTERM');
        }
        assert.deepEqual(await look(FIRST, 'web'), new Map(FIRST.map((one) => [one, '3'])));
      });

      test('what the daemon alone keeps is said and outlives it, and nothing is left behind in the kernel', async () => {
        const pairs = { ...config, sticky: 'src+dst' };
        assert.match(
          up(pairs),
          /policy default: sticky by src\+dst is the daemon's alone: clients keep their WANs only while the daemon runs/,
        );
        const first = await startDaemon(machine, pairs, programs);
        const had = await look(FIRST);
        machine.until(`[ "$(grep -c '"default"' /run/wanmark/wanmark.sock.clients)" = ${FIRST.length} ]`);
        await first.stop('SIGKILL');
        const second = await startDaemon(machine, pairs, programs);
        assert.deepEqual(await look(FIRST), had, 'pairs keep their WANs over a restart');
        assert.equal(status().sticky?.moves, 0);
        await second.stop('SIGTERM');
        const sets = () =>
          machine
            .sh('ipset list -n')
            .split('\n')
            .filter((name) => name.startsWith('WANMARK'));
        assert.deepEqual(
          sets().filter((name) => name.includes('default')),
          [],
        );
        assert.equal(machine.wanmark('down', undefined, { env: programs }).status, 0);
        assert.deepEqual(sets(), []);
      });
    },
  );
}
