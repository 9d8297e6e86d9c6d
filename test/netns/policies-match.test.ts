/** Every word of a rule's match against real packets: what it takes goes by one WAN, what it leaves by another. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { FAMILIES, type Family } from '#wanmark/core/family.js';
import { iptablesLegacy, namespaces, needs, program, root } from '../helpers/requires.js';
import {
  CLIENTS,
  DSCP,
  MARKS,
  type MatchCase,
  matchCases,
  PORT,
  PORTS,
  SERVERS,
  type Sent,
  USER,
  USER_CASES,
  type Words,
} from './policies-match-cases.js';
import { Machine, VARIANTS, wans } from './rules-harness.js';
import { done, serve, wanOf } from './rules-steps.js';

const NETWORKS = {
  lan0: ['10.9.0.', 'fd09::'],
  lan1: ['10.10.0.', 'fd10::'],
  dmz0: ['10.11.0.', 'fd11::'],
} as const;
const SERVER_NETWORKS = ['203.0.113.', '2001:db8:ff::'] as const;

const host = ([four, six]: readonly [string, string], family: Family, number: number) =>
  family === 4 ? `${four}${number}` : `${six}${number.toString(16)}`;
const words = (family: Family): Words => ({
  family,
  client: (number) => host(NETWORKS.lan0, family, number),
  server: (number) => host(SERVER_NETWORKS, family, number),
  bits: (number) => host(['0.0.0.', '::'], family, number),
  open: (bits) => (family === 4 ? 32 : 128) - bits,
});
const TAKEN = '2';
const LEFT = '3';

for (const [variant, env] of Object.entries(VARIANTS)) {
  describe(
    `a rule's match, iptables-${variant}`,
    needs(
      variant === 'nft' ? namespaces : iptablesLegacy,
      ...['conntrack', 'ipset', 'ping'].map((name) => program(name)),
    ),
    () => {
      let machine: Machine;
      let cases: readonly MatchCase[];
      const macs: Record<string, string> = {};

      before(async () => {
        machine = await Machine.start({ users: root() === undefined });
        machine.buildNetwork();
        machine.addLinkLocal();
        addDevices(machine);
        for (const [device, eth] of [
          ['lan0', 'eth0'],
          ['lan1', 'eth1'],
          ['dmz0', 'eth2'],
        ] as const)
          macs[device] = machine.sh(`cat /sys/class/net/${eth}/address`, {}, 'client').trim();
        const servers = FAMILIES.flatMap((family) => SERVERS.map((one) => words(family).server(one)));
        await serve(machine, PORTS, servers, 'inet');
        const file = join(machine.directory, 'listed.txt');
        writeFileSync(file, '203.0.113.4/31 # two servers\n2001:db8:ff::4\n2001:db8:ff::5/128\n');
        cases = matchCases({ lan0: macs.lan0!, lan1: macs.lan1! }, file);
      });
      after(() => machine.stop());

      const isOwn = ({ from }: Sent) => from === 'router' || from === 'user';

      /** The number of the WAN that a packet went by. */
      const wayOf = async (sent: Sent, family: Family): Promise<string> => {
        const { from = 2, by = 'lan0', to = 1, port = PORT, proto = 'tcp', sport } = sent;
        const netns = isOwn(sent) ? undefined : 'client';
        const local = typeof from === 'number' ? [host(NETWORKS[by], family, from)] : [];
        const server = words(family).server(to);
        if (proto === 'icmp') return echoed(server, family, netns, local);
        const call = [proto, '1', server, String(port)];
        if (from !== 'user')
          return wanOf((await machine.call([...call, ...local], netns, undefined, sport))[0] ?? '');
        const user = await machine.peer(['as', String(USER), String(userPort++), ...call]);
        return wanOf((await user.rest())[0] ?? '');
      };
      let userPort = 3000;

      /** The number of the WAN by which an echo request went. */
      const echoed = (
        server: string,
        family: Family,
        netns: string | undefined,
        local: readonly string[],
      ) => {
        const program = `ip netns exec inet ip${family === 6 ? '6' : ''}tables`;
        const seen = () => [1, 2, 3].map((k) => machine.packets(program, 'mangle', `-i g${k} `));
        const before = seen();
        machine.sh(`ping -c 1 -W 30 ${local.map((one) => `-I ${one}`).join('')} ${server}`, {}, netns);
        return seen()
          .flatMap((count, i) => (count > before[i]! ? [i + 1] : []))
          .join();
      };

      /** The WANs to which `explain` leads such a packet. */
      const explained = (sent: Sent, family: Family): string[] => {
        const { from = 2, by = 'lan0', to = 1, port = PORT, proto = 'tcp', sport = 20_000 } = sent;
        const name = proto === 'icmp' && family === 6 ? 'icmpv6' : proto;
        const at = (address: string, number: number) =>
          proto === 'icmp' ? address : `${address.includes(':') ? `[${address}]` : address}:${number}`;
        const source =
          typeof from === 'number'
            ? [at(host(NETWORKS[by], family, from), sport), '--in', by, '--mac', macs[by]!]
            : [at('router', sport), '--uid', from === 'user' ? String(USER) : '0'];
        const fields = ['--mark', String(MARKS.get(port) ?? 0), '--dscp', String(DSCP.get(port) ?? 0)];
        const server = at(words(family).server(to), port);
        const result = machine.command(['explain', ...source, server, '--proto', name, ...fields, '--json'], {
          env,
        });
        assert.equal(result.status, 0, result.stderr);
        const { ways, unsure } = JSON.parse(result.stdout);
        assert.deepEqual(unsure, [], result.stdout);
        return ways.map(({ wan }: { wan: string | null }) => wan?.replace('wan', '') ?? 'none');
      };

      const tried = async ({ rule, set, takes, leaves }: MatchCase) => {
        const texts = typeof rule === 'string' ? [rule] : FAMILIES.map((family) => rule(words(family)));
        machine.sh('conntrack -F');
        const rules = [...texts.map((text) => `wan${TAKEN},${text}`), `wan${LEFT}`];
        const raw = { wan: wans([1, 1, 1]), engine: 'kernel', rule: rules, ...(set && { set: [...set] }) };
        done(machine, 'up', raw, { env });
        const wanted = [
          ...takes.map((sent, i) => ({ sent, way: TAKEN, isFirst: i === 0 })),
          ...leaves.map((sent, i) => ({ sent, way: LEFT, isFirst: i === 0 })),
        ];
        for (const { sent, way, isFirst } of wanted) {
          for (const family of sent.family === undefined ? FAMILIES : [sent.family]) {
            const what = `${texts.join(', ')}: IPv${family} ${JSON.stringify(sent)}`;
            assert.equal(await wayOf(sent, family), way, what);
            // It evaluates a plan, whoever carries that out.
            if (isFirst && variant === 'nft')
              assert.deepEqual(explained(sent, family), [way], `explain of ${what}`);
          }
        }
      };
      const each = async (t: TestContext, all: readonly MatchCase[]) => {
        for (const one of all) {
          const name = typeof one.rule === 'string' ? one.rule : one.rule(words(4));
          await t.test(name, () => tried(one));
        }
      };

      test('takes what it names, and nothing else', (t) => each(t, cases));

      test('tells users apart', needs(root), (t) => each(t, USER_CASES));
    },
  );
}

/** Two more networks of the client, the servers, and those who set fields of packets. */
function addDevices(machine: Machine): void {
  const more = (['lan1', 'dmz0'] as const).map((device, i) => {
    const [four, six] = NETWORKS[device];
    return `
      ip link add ${device} type veth peer name eth${i + 1} netns client
      ip link set ${device} up; ip -n client link set eth${i + 1} up
      ip addr add ${four}1/24 dev ${device}; ip -n client addr add ${four}2/24 dev eth${i + 1}
      ip addr add ${six}1/64 dev ${device}; ip -n client addr add ${six}2/64 dev eth${i + 1}
      ip addr add fe80::1/64 dev ${device}
      ip -n client rule add from ${four}2 lookup 10${i}; ip -n client -6 rule add from ${six}2 lookup 10${i}
      ip -n client route add default via ${four}1 table 10${i}
      ip -n client -6 route add default via ${six}1 table 10${i}`;
  });
  const addresses = FAMILIES.flatMap((family) => [
    ...CLIENTS.slice(1).map(
      (one) => `ip -n client addr add ${words(family).client(one)}/${family === 4 ? 24 : 64} dev eth0`,
    ),
    ...SERVERS.slice(1).map((one) => `ip -n inet addr add ${words(family).server(one)} dev lo`),
  ]);
  const fields = ['iptables', 'ip6tables'].flatMap((iptables) => [
    ...[...DSCP].flatMap(([port, value]) =>
      ['tcp'].map(
        (proto) =>
          `ip netns exec client ${iptables} -t mangle -A OUTPUT -p ${proto} --dport ${port} -j DSCP --set-dscp ${value}`,
      ),
    ),
    ...[...MARKS].flatMap(([port, mark]) =>
      ['PREROUTING', 'OUTPUT'].map(
        (chain) => `${iptables} -t raw -A ${chain} -p tcp --dport ${port} -j MARK --set-mark ${mark}`,
      ),
    ),
    ...[1, 2, 3].map(
      (k) =>
        `ip netns exec inet ${iptables} -t mangle -A INPUT -i g${k} -p ${iptables === 'iptables' ? 'icmp --icmp-type' : 'icmpv6 --icmpv6-type'} echo-request`,
    ),
  ]);
  machine.sh(
    [
      ...more,
      ...addresses,
      ...fields,
      'ipset create theirs hash:net; ipset add theirs 203.0.113.10',
      'ipset create theirs6 hash:ip family inet6; ipset add theirs6 2001:db8:ff::a',
    ].join('\n'),
  );
  machine.until('[ "$(ip -o link show type veth | grep -c LOWER_UP)" = 6 ]');
}
