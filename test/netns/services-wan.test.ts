import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Status } from '#wanmark/control/status.js';
import type { Seen } from '#wanmark/lab/agent/protocol.js';
import type { Lab } from '#wanmark/lab/lab.js';
import { differences, snapshot } from '#wanmark/lab/snapshot.js';
import { withLab } from '../helpers/lab.js';
import { WAN_FIELD } from '../helpers/marks.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { conntrack, eventually } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

const PORT = 7000;

/** The flags of a service at each address of each WAN, in front of the LAN hosts. */
function services(lab: Lab): string[] {
  return lab.wans.flatMap(({ name, inbound }) =>
    inbound.flatMap((address, family) => [
      '--service',
      `${name}-${family}${family === 0 ? '' : ',snat=auto'},listen=${family === 0 ? address : `[${address}]`}:80/tcp`,
      ...lab.clients.flatMap((client) => {
        const to = family === 0 ? client.addresses[4][0]! : `[${client.addresses[6][0]!}]`;
        return ['--backend', `${name}-${family},to=${to}:${PORT}`];
      }),
    ]),
  );
}

/** How many connections each LAN host had. */
async function counts(lab: Lab, tag: string): Promise<number[]> {
  const seen = await Promise.all(
    lab.clients.map((client) => client.agent.request<Seen[]>({ op: 'seen', tag })),
  );
  return seen.map((entries) => entries.length);
}

describe('services behind several WANs', needs(nfqueue, addon, conntrackTable), () => {
  it('answer a connection by the WAN it came in by, whoever chose its server, and keep the marks of both', async () => {
    await withLab({ wans: 3, clients: 3, up: [] }, async ({ lab, wanmark }) => {
      await Promise.all(lab.clients.map((client) => client.serve(PORT)));
      const before = await snapshot(lab.router);
      // The services are added after the WANs, and their jumps must still be behind those of the WANs.
      const everywhereElse = lab.clients.map((client) => [
        '--backend',
        `far,to=${client.addresses[4][0]}:${PORT}`,
      ]);
      const far = ['--service', 'far,listen=192.0.2.100:80/tcp', ...everywhereElse.flat()];
      const flags = [...services(lab), ...far, '--kernel-mode', 'nth'];
      await wanmark.up(...flags);
      const everywhere = async (when: string) => {
        for (const wan of lab.wans) {
          for (const [i, to] of wan.inbound.entries()) {
            const family = i === 0 ? 4 : 6;
            const tag = `${when}-${wan.name}-${family}`;
            const flows = await lab.connect({
              ...{ from: lab.server, to, family, port: 80, count: 9, tag, concurrency: 1 },
            });
            assert.deepEqual(
              flows.filter(({ error }) => error),
              [],
              tag,
            );
            assert.deepEqual(await counts(lab, tag), [3, 3, 3], tag);
          }
        }
        const entries = (await conntrack(lab.router)).filter(({ dport }) => dport === 80);
        for (const [k, wan] of lab.wans.entries()) {
          const marks = entries.filter(({ dst }) => wan.inbound.includes(dst)).map(({ mark }) => mark);
          const expected = [0, 1, 2, 3, 4, 5].map(
            (b) => ((6 * k + b + 1) << 8) | WAN_FIELD.encode(wan.number),
          );
          assert.deepEqual(
            [...new Set(marks)].sort((a, b) => a - b),
            expected,
            `${when} ${wan.name}`,
          );
        }
        await lab.router.exec(['conntrack', '-F'], { okCodes: 'any' });
      };
      await everywhere('kernel');

      const daemon = await wanmark.run(...flags);
      await everywhere('daemon');
      // Outgoing connections are balanced as before.
      assert.deepEqual(tally(await lab.connect({ count: 30 })), { wan1: 10, wan2: 10, wan3: 10 });
      // From inside, a service's address leads to its servers without the WANs and their strategy, whether or not it
      // is the router's own address; the server may even be the client itself.
      for (const to of [lab.wans[1]!.inbound[0]!, '192.0.2.100']) {
        const tag = `inside-${to}`;
        const inside = await lab.connect({ to, port: 80, count: 9, tag });
        assert.deepEqual(
          inside.filter(({ error }) => error),
          [],
        );
        assert.deepEqual(await counts(lab, tag), [3, 3, 3]);
      }
      const status = JSON.parse((await wanmark.command(['status', '--json'])).stdout) as Status;
      assert.deepEqual([status.queue.num, status.serviceQueue!.num], [0, 1]);
      assert.deepEqual(
        status.wans.map(({ picks }) => picks),
        [10, 10, 10],
      );
      assert.equal(status.services.length, 7);
      await daemon.stop();

      // Back to WANs alone, and then to nothing.
      await wanmark.up();
      assert.deepEqual(differences(before, await snapshot(lab.router)), []);
      await wanmark.up(...flags);
      await wanmark.down();
      const left = await snapshot(lab.router);
      assert.deepEqual(
        left.filter((line) => /wanmark|proto 119/i.test(line)),
        [],
      );
    });
  });

  it('on a device follow its addresses in both families, with the daemon and by refresh', async () => {
    await withLab({ wans: 2, clients: 2 }, async ({ lab, wanmark }) => {
      await Promise.all(lab.clients.map((client) => client.serve(PORT)));
      const [wan] = lab.wans;
      const backends = (family: 4 | 6) =>
        lab.clients.flatMap((client) => {
          const to = family === 4 ? client.addresses[4][0]! : `[${client.addresses[6][0]!}]`;
          return ['--backend', `web${family},to=${to}:${PORT}`];
        });
      const services = ([4, 6] as const).flatMap((family) => [
        ...['--service', `web${family},listen=dev:${wan!.dev}:80/tcp`],
        ...backends(family),
      ]);
      const flags = [...services, '--kernel-mode', 'nth'];
      await wanmark.up(...flags);
      const reach = async (address: string, family: 4 | 6, tag: string) => {
        const flows = await lab.connect({
          ...{
            from: lab.server,
            to: address,
            family,
            port: 80,
            count: 4,
            tag,
            concurrency: 1,
          },
        });
        return [...(await counts(lab, tag)), ...flows.flatMap(({ error }) => error ?? [])];
      };
      const both = async (last: number, when: string) => {
        const four = wan!.address.replace(/\d+$/, String(last));
        assert.deepEqual(await reach(four, 4, `${when}-4`), [2, 2], when);
        assert.deepEqual(
          await reach(wan!.address6!.replace(/2$/, String(last)), 6, `${when}-6`),
          [2, 2],
          when,
        );
      };
      const readdress = async (from: number, to: number) => {
        const four = wan!.address.replace(/\d+$/, '');
        const six = wan!.address6!.replace(/2$/, '');
        await lab.server.sh(`
          ip route add ${four}${to} via 203.0.113.${100 + wan!.number}
          ip route add ${six}${to} via 2001:db8:f::${100 + wan!.number}`);
        await lab.router.sh(`
          ip addr del ${four}${from}/29 dev ${wan!.dev}; ip addr add ${four}${to}/29 dev ${wan!.dev}
          ip addr del ${six}${from}/64 dev ${wan!.dev}; ip addr add ${six}${to}/64 dev ${wan!.dev} nodad
          ip route replace default via ${wan!.via} dev ${wan!.dev}`);
      };
      // The answers need the route of the WAN, which goes with its last address.
      const rules = async () => {
        const route = `ip route show table all default dev ${wan!.dev} proto 119`;
        const chain = 'tables -t nat -S WANMARK_SERVICE';
        return (await lab.router.sh(`${route}; ip${chain}; ip6${chain}`)).stdout;
      };
      await both(2, 'kernel');

      const daemon = await wanmark.run(...flags);
      await both(2, 'daemon');
      await readdress(2, 3);
      await eventually(
        rules,
        (text) =>
          [/^default via/, /\.3\/32/, /::3\/128/].every((one) => one.test(text)) && !text.includes('.2/32'),
        'the rules to have the new addresses, and the route',
      );
      await both(3, 'followed');
      const status = JSON.parse((await wanmark.command(['status', '--json'])).stdout) as Status;
      assert.deepEqual(
        status.services.map(({ name, listen }) => `${name} ${listen}`),
        ['web4 dev:wan1:80/tcp', 'web6 dev:wan1:80/tcp'],
      );
      await daemon.stop();
      assert.ok(daemon.decisions.length >= 8, `${daemon.decisions.length} decisions`);

      await readdress(3, 4);
      assert.equal((await wanmark.command(['refresh'])).code, 0);
      await both(4, 'refreshed');
    });
  });

  it('follow the routes while the daemon runs: a server’s network that changes is known again', async () => {
    await withLab({ wans: 2, clients: 1, ipv6: false }, async ({ lab, wanmark }) => {
      const flags = ['--service', 'web,listen=10.0.0.1:80/tcp', '--backend', 'web,to=10.0.0.11:7000'];
      await wanmark.up(...flags);
      const daemon = await wanmark.run(...flags);
      const rules = async () => (await lab.router.sh('iptables -t nat -S WANMARK_SNAT')).stdout;
      assert.match(await rules(), /-s 10.0.0.0\/24 /);
      await lab.router.sh('ip route add 10.0.0.0/28 dev lan0');
      await eventually(rules, (text) => /-s 10.0.0.0\/28 /.test(text), 'the rule of the new network');
      await daemon.stop();
    });
  });
});
