import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chiSquare, limit } from '#wanmark/lab/chi-square.js';
import { differences, snapshot } from '#wanmark/lab/snapshot.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually, packets } from '../helpers/router-state.js';
import { INSIDE, PORT, PUBLIC, ROUTER, type ServicesLab, server, withServices } from '../helpers/services.js';

const NTH = ['--engine', 'kernel', '--kernel-mode', 'nth'];

/** The flags of a service with a backend for each weight, on the servers' port. */
function service(name: string, head: string, weights: readonly number[]) {
  const to = (k: number) => (head.includes('[') ? `[${server(k, 6)}]` : server(k));
  return [
    '--service',
    `${name},${head}`,
    ...weights.flatMap((weight, i) => ['--backend', `${name},to=${to(i + 1)}:${PORT},weight=${weight}`]),
  ];
}

const web = (weights: readonly number[], more = '') =>
  service('web', `listen=${ROUTER[4]}:80/tcp${more}`, weights);

/** All rules, routes and settings, without counters and dates. */
async function everything(lab: ServicesLab): Promise<string> {
  const { stdout } = await lab.router.sh(`
    for tool in iptables ip6tables; do echo "== $tool"; $tool-save | sed -e '/^#/d' -e 's/ \\[[0-9:]*\\]$//'; done
    for family in 4 6; do ip -$family rule; ip -$family route show table all proto 119; done
    grep . /proc/sys/net/ipv4/conf/*/src_valid_mark`);
  return stdout;
}

describe('services by the kernel alone', needs(nfqueue, addon), () => {
  it('rotate exactly or choose at random by weight, keep the client’s address, and leave nothing behind', async () => {
    await withServices({ servers: 4 }, async (lab) => {
      const before = await everything(lab);
      await lab.up(...NTH, ...web([3, 3, 3, 1]), '--forward-accept');
      assert.deepEqual(await lab.spread({ count: 40, tag: 'rotate' }), [12, 12, 12, 4]);
      const sources = (await lab.seen('rotate')).flat().map(({ source }) => source);
      assert.deepEqual([...new Set(sources)], ['192.168.1.11']);
      const again = await lab.wanmark('up', ...NTH, ...web([3, 3, 3, 1]), '--forward-accept');
      assert.match(again.stderr, /already up; nothing to change/);

      await lab.up('--engine', 'kernel', ...web([3, 3, 3, 1]));
      const drawn = await lab.spread({ count: 500, tag: 'random', concurrency: 32 });
      const statistic = chiSquare(drawn, [150, 150, 150, 50]);
      assert.ok(statistic <= limit(3), `${drawn} are not 30/30/30/10: chi-square ${statistic.toFixed(1)}`);

      assert.equal((await lab.wanmark('down')).code, 0);
      assert.equal(await everything(lab), before);
      assert.equal((await lab.connect())[0]!.error, 'ECONNREFUSED', 'it is the router itself again');
    });
  });

  it('translate the source as snat= says, where servers can answer only their own network', async () => {
    await withServices({ servers: 2, lonely: true }, async (lab) => {
      const tryOut = async (snat: string, from = lab.client) => {
        await lab.up(...NTH, ...web([1, 1], `,snat=${snat}`));
        const tag = `${snat}-${from.name}`;
        const flows = await lab.connect({ from, count: 4, tag, timeoutMs: 1500 });
        const failed = flows.filter(({ error }) => error !== undefined).length;
        const seen = (await lab.seen(tag)).map((entries) => [
          ...new Set(entries.map(({ source }) => source)),
        ]);
        return { failed, seen: [...new Set(seen.flat())] };
      };
      // The servers have no route to the client, which `auto` cannot know.
      assert.deepEqual(await tryOut('auto'), { failed: 4, seen: [] });
      assert.deepEqual(await tryOut(INSIDE[4]), { failed: 0, seen: [INSIDE[4]] });
      assert.deepEqual(await tryOut('auto', lab.neighbour), { failed: 0, seen: [INSIDE[4]] });
      assert.deepEqual(await tryOut('none', lab.neighbour), { failed: 4, seen: [] });
      assert.deepEqual(await tryOut('auto', lab.router), { failed: 0, seen: [INSIDE[4]] });
      assert.deepEqual(await tryOut('none', lab.router), { failed: 4, seen: [] });
    });
  });

  it('pass a firewall that drops, with --forward-accept, and nothing else does', async () => {
    await withServices({ servers: 2 }, async (lab) => {
      const flags = [
        ...NTH,
        ...web([1, 1]),
        ...service('dns', `listen=[${PUBLIC[6]}]:53/udp`, [1, 1]),
        ...service('all', 'listen=192.0.2.101/any', [1, 1]).map((word) => word.replace(`:${PORT},`, ',')),
      ];
      // Besides the policy there is a last rule that drops, as in many firewalls.
      const firewall = ['iptables', 'ip6tables'].map(
        (tool) => `${tool} -P FORWARD DROP; ${tool} -A FORWARD -j DROP`,
      );
      await lab.router.sh(firewall.join('\n'));
      const before = await everything(lab);
      const brief = { timeoutMs: 1000 } as const;
      await lab.up(...flags);
      assert.notEqual((await lab.connect(brief))[0]!.error, undefined, 'the firewall works');
      await lab.up(...flags, '--forward-accept');
      assert.deepEqual(await lab.spread({ count: 6, tag: 'web' }), [3, 3]);
      const dns = { proto: 'udp', family: 6, to: PUBLIC[6], port: 53 } as const;
      assert.deepEqual(await lab.spread({ ...dns, count: 6, tag: 'dns' }), [3, 3]);
      assert.deepEqual(await lab.spread({ to: '192.0.2.101', port: PORT, count: 6, tag: 'any' }), [3, 3]);
      // Only connections to the service pass: not those to a server's own address, and not a server's own.
      assert.notEqual((await lab.connect({ to: server(1), port: PORT, ...brief }))[0]!.error, undefined);
      await lab.client.serve(PORT);
      const [back] = await lab.connect({ from: lab.servers[0]!, to: '192.168.1.11', port: PORT, ...brief });
      assert.notEqual(back!.error, undefined);
      // Path MTU discovery needs the ICMP errors about these connections.
      await lab.client.sh('iptables -A INPUT -p icmp');
      const errors = () => packets(lab.client, 'filter', 'INPUT', /-p icmp/);
      const related = await errors();
      await lab.servers[0]!.sh(`iptables -I INPUT -p tcp --dport ${PORT} -j REJECT`);
      await lab.connect({ count: 2, ...brief });
      await eventually(errors, (count) => count > related, 'an ICMP error was let through');
      await lab.up(...flags);
      assert.notEqual((await lab.connect(brief))[0]!.error, undefined, 'without the flag it is gone again');
      await lab.wanmark('down');
      assert.equal(await everything(lab), before);
    });
  });
});

const TO = `web,to=${server(1)}:80`;
const LISTEN = 'web,listen=192.0.2.1:80/tcp';

/** [what is wrong, arguments of `up` and `run`, what the line must say] */
const MISTAKES: [string, string[], RegExp][] = [
  [
    'no service of that name',
    ['--service', LISTEN, '--backend', `wbe,to=${server(1)}:80`],
    /unknown service "wbe"; did you mean "web"\?/,
  ],
  ['no backend', ['--service', LISTEN], /service "web" has no backend; add --backend web,to=/],
  ['masks that overlap', ['--service', LISTEN, '--backend', TO, '--backend-mask', '0xff00000'], /share bits/],
  [
    'two services for a packet',
    ['--service', LISTEN, '--backend', TO, '--service', 'b,listen=192.0.2.1/any'],
    /service "b" has no backend/,
  ],
  [
    'an option without its service',
    ['--wan', 'a,dev=back0', '--forward-accept'],
    /--forward-accept goes with --service/,
  ],
];

describe('a mistake in a service', needs(nfqueue, addon), () => {
  it('is one line and exit 2, and nothing has changed', async () => {
    await withServices({ servers: 1 }, async (lab) => {
      const before = await snapshot(lab.router);
      for (const [what, args, complaint] of MISTAKES) {
        for (const command of ['up', 'run']) {
          const { code, stderr } = await lab.wanmark(command, ...args);
          assert.match(stderr, complaint, what);
          assert.match(stderr, /^wanmark: [^\n]+\n$/, 'one line');
          assert.equal(code, 2, what);
        }
      }
      assert.deepEqual(differences(before, await snapshot(lab.router)), []);
    });
  });
});
