import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Decision } from '#wanmark/lab/wanmark.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { conntrack, eventually } from '../helpers/router-state.js';
import { PORT, PUBLIC, ROUTER, type ServicesLab, server, withServices } from '../helpers/services.js';

interface ServiceDecision extends Decision {
  readonly service: string;
  readonly backend: string;
  readonly strategy: string;
}

/** The flags of a service with a backend for each server. @param weights the servers' weights, in order */
function service(name: string, head: string, weights: readonly number[], port: number | undefined = PORT) {
  const six = head.includes('[');
  const to = (k: number) => (six ? `[${server(k, 6)}]` : server(k)) + (port === 0 ? '' : `:${port}`);
  return [
    '--service',
    `${name},${head}`,
    ...weights.flatMap((weight, i) => ['--backend', `${name},to=${to(i + 1)},weight=${weight}`]),
  ];
}

const backendsOf = async (lab: ServicesLab, name: string) =>
  (await lab.status()).services.find((one) => one.name === name)!.backends;

describe('services with a daemon', needs(nfqueue, addon, conntrackTable), () => {
  it('have their own strategies: TCP, UDP, IPv6, a range of ports, a whole address; as log and status say', async () => {
    await withServices({ servers: 3, clientAddresses: 9 }, async (lab) => {
      const flags = [
        ...service('web', `listen=${ROUTER[4]}:80/tcp`, [1, 1, 1]),
        ...service('dns', `listen=${ROUTER[4]}:53/udp,strategy=weighted`, [3, 2, 1]),
        ...service('six', `listen=[${ROUTER[6]}]:80/tcp,strategy=sh`, [1, 1, 1]),
        ...service('six-dns', `listen=[${PUBLIC[6]}]:53/udp`, [1, 1, 1]),
        ...service('range', `listen=${PUBLIC[4]}:8000-8010/tcp`, [1, 1, 1], 0),
        ...service('all', 'listen=192.0.2.101/any', [1, 0, 1], 0),
      ];
      for (const port of [8000, 8010, 8011]) await Promise.all(lab.servers.map((one) => one.serve(port)));
      await lab.up(...flags);
      const daemon = await lab.run(...flags);

      assert.deepEqual(await lab.spread({ count: 30, tag: 'web' }), [10, 10, 10]);
      assert.deepEqual(
        await lab.spread({ count: 30, tag: 'dns', proto: 'udp', port: 53, to: ROUTER[4] }),
        [15, 10, 5],
      );
      // Two datagrams at once from one socket, like a resolver's, are one connection.
      const pairs = await lab.client.agent.request<{ error?: string }[]>({
        ...{ op: 'pairs', family: 6, to: PUBLIC[6], port: 53, count: 30, concurrency: 16 },
        ...{ from: lab.client.addresses[6], tag: 'pairs', timeoutMs: 10_000 },
      });
      assert.deepEqual(
        pairs.filter(({ error }) => error),
        [],
      );
      assert.deepEqual(await lab.counts('pairs'), [10, 10, 10]);
      for (const port of [8000, 8010]) {
        assert.deepEqual(await lab.spread({ count: 6, tag: `${port}`, to: PUBLIC[4], port }), [2, 2, 2]);
      }
      const outside = await lab.connect({ to: PUBLIC[4], port: 8011, timeoutMs: 500 });
      assert.notEqual(outside[0]!.error, undefined, 'a port beyond the range does not belong to the service');
      for (const [proto, port] of [
        ['tcp', PORT],
        ['udp', 8011],
      ] as const) {
        const tag = `any-${proto}`;
        assert.deepEqual(await lab.spread({ count: 6, tag, proto, to: '192.0.2.101', port }), [3, 0, 3]);
      }
      // Each client address has one server, however many connections it opens.
      await lab.spread({ count: 45, tag: 'six', family: 6, to: ROUTER[6] });
      const clients = (await lab.seen('six')).map((entries) => new Set(entries.map(({ source }) => source)));
      assert.equal(
        clients.reduce((sum, set) => sum + set.size, 0),
        9,
        'no client is seen at two servers',
      );

      const status = await lab.status();
      assert.deepEqual(status.wans, []);
      assert.deepEqual([status.queue.num, status.serviceQueue?.num], [1, 1]);
      assert.deepEqual(
        status.services.map(({ name, listen, strategy }) => [name, listen, strategy]),
        [
          ['web', '192.168.1.1:80/tcp', 'weighted'],
          ['dns', '192.168.1.1:53/udp', 'weighted'],
          ['six', '[2001:db8:1::1]:80/tcp', 'source-hash'],
          ['six-dns', '[2001:db8:100::1]:53/udp', 'weighted'],
          ['range', '192.0.2.100:8000-8010/tcp', 'weighted'],
          ['all', '192.0.2.101/any', 'weighted'],
        ],
      );
      const dns = await backendsOf(lab, 'dns');
      assert.deepEqual(
        dns.map(({ name, mark, weight, state, picks, share }) => [name, mark, weight, state, picks, share]),
        [
          ['10.0.0.2:7000', 4, 3, 'up', 15, 0.5],
          ['10.0.0.3:7000', 5, 2, 'up', 10, 1 / 3],
          ['10.0.0.4:7000', 6, 1, 'up', 5, 1 / 6],
        ],
      );
      assert.equal((await backendsOf(lab, 'all'))[1]!.state, 'drain');
      const table = (await lab.wanmark('status')).stdout;
      assert.match(table, /service dns, 192.168.1.1:53\/udp, strategy weighted\n/);
      assert.match(table, /10.0.0.3:7000 +up +2 +1 +\d+ +10 +33.3 % +33.3 %/);

      await daemon.stop();
      const decisions = daemon.decisions as ServiceDecision[];
      const [first] = decisions.filter((one) => one.service === 'web');
      const { mark, backend, strategy, proto, dst, dport } = first!;
      assert.deepEqual(
        { mark, backend, strategy, proto, dst, dport },
        {
          mark: 1,
          backend: '10.0.0.2:7000',
          strategy: 'weighted',
          proto: 'tcp',
          dst: '192.168.1.1',
          dport: 80,
        },
      );
      assert.equal(decisions.filter((one) => one.service === 'dns').length, 30);
    });
  });

  it('with least-connections count open connections; a server of weight 0 keeps them and gets no new ones', async () => {
    await withServices({ servers: 3 }, async (lab) => {
      const flags = (weights: number[]) =>
        service('web', `listen=${ROUTER[4]}:80/tcp,strategy=least-connections`, weights);
      await lab.up(...flags([1, 1, 1]));
      const daemon = await lab.run(...flags([1, 1, 1]));
      const held = await lab.connect({ count: 30, hold: true, tag: 'held' });
      assert.deepEqual(await lab.counts('held'), [10, 10, 10]);
      const marks = (await conntrack(lab.router)).filter(({ dport }) => dport === 80).map(({ mark }) => mark);
      assert.deepEqual([...new Set(marks)].sort(), [0x100, 0x200, 0x300]);
      // The second server's connections end. Of 25 new ones at once it gets ten to be level with the others, then a
      // third of the rest, since each decision counts at once.
      const atSecond = new Set((await lab.seen('held'))[1]!.map(({ sport }) => sport));
      await lab.release(held.filter(({ sport }) => atSecond.has(sport)));
      const rest = held.filter(({ sport }) => !atSecond.has(sport));
      await eventually(
        async () => (await backendsOf(lab, 'web')).map(({ connections }) => connections),
        (counts) => counts.join() === '10,0,10',
        'the counts of the released connections',
      );
      const more = await lab.connect({ count: 25, hold: true, tag: 'refill', concurrency: 25 });
      assert.deepEqual(await lab.counts('refill'), [5, 15, 5]);
      await daemon.stop();

      // The third server is drained.
      await lab.up(...flags([1, 1, 0]));
      const second = await lab.run(...flags([1, 1, 0]));
      const again = await lab.exchange([...rest, ...more]);
      assert.deepEqual(
        again.filter(({ error }) => error),
        [],
      );
      assert.equal((await lab.spread({ count: 20, tag: 'drained' }))[2], 0);
      assert.equal((await backendsOf(lab, 'web'))[2]!.connections, 15);
      await second.stop();
      assert.deepEqual(await lab.spread({ count: 60, tag: 'kernel-drained' }).then((all) => all[2]), 0);
      assert.deepEqual(
        (await lab.exchange(rest)).filter(({ error }) => error),
        [],
      );
    });
  });

  it('survive a daemon that is killed, absent, broken or of another configuration: the kernel chooses', async () => {
    await withServices({ servers: 3 }, async (lab) => {
      const flags = [
        ...service('web', `listen=${ROUTER[4]}:80/tcp`, [1, 1, 1]),
        ...service('dns', `listen=${ROUTER[4]}:53/udp`, [1, 1, 1]),
        '--kernel-mode',
        'nth',
      ];
      await lab.up(...flags);
      assert.deepEqual(await lab.spread({ count: 30, tag: 'before' }), [10, 10, 10]);
      const udp = { proto: 'udp', port: 53 } as const;
      assert.deepEqual(await lab.spread({ count: 30, tag: 'before-udp', ...udp }), [10, 10, 10]);
      const marks = (await conntrack(lab.router)).map(({ mark }) => mark >> 8);
      assert.deepEqual([...new Set(marks)].sort(), [1, 2, 3, 4, 5, 6], 'what the kernel chose is kept, too');

      const daemon = await lab.run(...flags);
      const held = await lab.connect({ count: 9, hold: true });
      let running = true;
      const traffic = (async () => {
        const errors: string[] = [];
        while (running) {
          for (const { error } of await lab.connect({ count: 40, tag: 'meanwhile' }))
            if (error) errors.push(error);
        }
        return errors;
      })();
      await daemon.program.waitForLine((line) => line.includes('"service":"web"'));
      await daemon.crash();
      await lab.connect({ count: 40, tag: 'after' });
      running = false;
      assert.deepEqual(await traffic, []);
      assert.deepEqual(
        (await lab.exchange(held)).filter(({ error }) => error),
        [],
      );

      // This daemon's marks 1 to 3 would be those of web, and the rules do not know mark 200.
      const other = service('dns', `listen=${ROUTER[4]}:53/udp`, [1], PORT);
      const stray = await lab.run(
        ...other.map((word) => word.replace('weight=1', 'mark=200')),
        '--service-queue',
        '1',
      );
      assert.deepEqual(await lab.spread({ count: 30, tag: 'stray', ...udp }), [10, 10, 10]);
      await stray.stop();
      assert.equal(stray.decisions.length, 30, 'it did decide');

      const dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
      try {
        const file = join(dir, 'broken.mjs');
        writeFileSync(file, 'export default () => ({ pick() { throw new Error("not today"); } });');
        chmodSync(dir, 0o755);
        const broken = await lab.run(
          ...flags.map((word) => word.replace(/(listen=.*tcp)/, `$1,strategy=${file}`)),
        );
        assert.deepEqual(await lab.spread({ count: 30, tag: 'broken' }), [10, 10, 10]);
        assert.equal((await lab.status()).serviceFaults?.threw, 30);
        await broken.stop();
        assert.deepEqual(broken.decisions, []);
      } finally {
        rmSync(dir, { recursive: true });
      }
    });
  });

  it('choose for the router’s own connections, and for a client among the servers', async () => {
    await withServices({ servers: 3 }, async (lab) => {
      const flags = [
        ...service('web', `listen=${ROUTER[4]}:80/tcp`, [1, 1, 1]),
        ...service('public', `listen=${PUBLIC[4]}:80/tcp`, [1, 1, 1]),
        ...service('six', `listen=[${PUBLIC[6]}]:80/tcp`, [1, 1, 1]),
        '--kernel-mode',
        'nth',
      ];
      await lab.up(...flags);
      // A socket needs a route to the address before translation, which no host has; the translated address has one.
      await lab.router.sh(`ip route add ${PUBLIC[4]} dev front0; ip -6 route add ${PUBLIC[6]} dev front0`);
      const everywhere = async (when: string) => {
        for (const from of [lab.router, lab.neighbour]) {
          for (const [family, to] of [
            [4, ROUTER[4]],
            [4, PUBLIC[4]],
            [6, PUBLIC[6]],
          ] as const) {
            const tag = `${when}-${from.name}-${to}`;
            assert.deepEqual(await lab.spread({ from, family, to, count: 9, tag }), [3, 3, 3], tag);
            const sources = [...new Set((await lab.seen(tag)).flat().map(({ source }) => source))];
            assert.deepEqual(sources, [family === 4 ? '10.0.0.1' : '2001:db8:2::1'], tag);
          }
        }
      };
      await everywhere('kernel');
      const daemon = await lab.run(...flags);
      await everywhere('daemon');
      await daemon.stop();
      assert.equal(daemon.decisions.length, 54);
    });
  });

  it('are put back when somebody flushes the firewall', async () => {
    await withServices({ servers: 2 }, async (lab) => {
      const flags = service('web', `listen=${ROUTER[4]}:80/tcp`, [1, 1]);
      await lab.router.sh('iptables -P FORWARD DROP');
      await lab.up(...flags, '--forward-accept');
      const daemon = await lab.run(...flags, '--forward-accept');
      for (const table of ['filter', 'nat', 'mangle']) {
        await lab.router.sh(`iptables -t ${table} -F`);
        await eventually(
          async () => (await lab.router.sh(`iptables-save -t ${table}`)).stdout,
          (text) => /--comment wanmark -j WANMARK_/.test(text) && /-A WANMARK_/.test(text),
          `the rules of ${table}`,
        );
      }
      assert.deepEqual(await lab.spread({ count: 6, tag: 'again' }), [3, 3]);
      await daemon.stop();
      assert.equal(daemon.decisions.length, 6);
    });
  });
});
