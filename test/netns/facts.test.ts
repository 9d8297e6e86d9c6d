/** The facts that we read by rtnetlink, compared with what `ip` prints on the same machine. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { addon, namespaces, needs } from '../helpers/requires.js';
import { Machine } from './rules-harness.js';

const PEER = fileURLToPath(new URL('./facts-peer.js', import.meta.url));

/** Facts as the peer prints them. */
interface Printed {
  devices: [string, { index: number; up: boolean; pointToPoint: boolean; ethernet: boolean }][];
  main: Record<4 | 6, { dst: string; isThrow: boolean; metric: number; ways: PrintedWay[] }[]>;
  addresses: Record<4 | 6, { dev: string; address: string }[]>;
  onLink: string[];
  macs: [string, string][];
  networks: [string, string][];
}

interface PrintedWay {
  dev: string;
  via?: string;
  unusable: boolean;
}

const CONFIG = {
  wan: [
    { name: 'a', dev: 'w1', via: '192.0.1.1', via6: '2001:db8:1::1' },
    { name: 'b', dev: 'w1', via: '192.0.1.3', via6: 'fe80::1' },
    // The gateways: on the device's network but our own address; on no network; behind the default route.
    { name: 'c', dev: 'w2', via: '192.0.2.2', via6: '2001:db8:99::1' },
    { name: 'd', dev: 'w3', via: '203.0.113.1', via6: '2001:db8:3::1' },
    { name: 'e', dev: 'gone', via: '192.0.9.1' },
  ],
  service: [
    { name: 'web', listen: '192.0.1.2:80/tcp' },
    { name: 'six', listen: '[2001:db8:1::2]:80/tcp' },
  ],
  backend: [
    // The backends: on the LAN, by the default route, behind a route of its own, in a refused network, our own address.
    ...['10.9.0.2', '198.51.100.7', '10.77.1.2', '10.66.0.1', '10.9.0.1'].map((to) => ({
      service: 'web',
      to,
    })),
    ...['fd09::2', '2001:db8:ff::1', '2001:db8:66::1', 'fd00:5::5'].map((to) => ({ service: 'six', to })),
  ],
};

describe('facts', needs(namespaces, addon), () => {
  let machine: Machine;
  const read = (verb = 'read'): Printed =>
    JSON.parse(
      machine.sh(`exec "$NODE" "$PEER" ${verb} "$CONFIG"`, {
        NODE: process.execPath,
        PEER,
        CONFIG: JSON.stringify(CONFIG),
      }),
    );
  const lines = (script: string) =>
    machine
      .sh(script)
      .split('\n')
      .filter((line) => line !== '');

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    machine.sh(`
      ip -n inet addr add 192.0.1.3/24 dev g1
      ip addr add 10.7.0.1 peer 10.7.0.2/32 dev w1
      ip addr add 10.8.0.1/24 dev w1 scope link
      ip addr add fd00::1 peer fd00::2/128 dev w1
      ip link add off0 type veth peer name off1
      ip tuntap add tun0 mode tun; ip link set tun0 up
      ip route add default metric 50 nexthop via 192.0.2.1 weight 2 nexthop via 192.0.3.1
      ip route add default metric 60 via inet6 2001:db8:2::1 dev w2
      ip route add unreachable default metric 4000
      ip route add throw 172.20.0.0/16; ip route add blackhole 10.66.0.0/16
      ip route add 172.16.5.4 dev w1; ip route add 10.77.0.0/16 via 192.0.2.1
      ip route add 10.78.0.0/16 table 100 via 192.0.2.1
      ip -6 route add default metric 2000 nexthop via 2001:db8:2::1 nexthop via 2001:db8:3::1
      ip -6 route add unreachable 2001:db8:66::/48; ip -6 route add throw 2001:db8:67::/48
      ip -6 route add fd00:5::/48 via 2001:db8:2::1`);
  });
  after(() => machine.stop());

  test('devices: those of `ip link`, with their flags', () => {
    const expected = lines('ip -o link show').map((line) => {
      const [, index, name, flags] = /^(\d+): ([^:@]+)(?:@[^:]+)?: <([^>]*)>/.exec(line)!;
      const has = (flag: string) => flags!.split(',').includes(flag);
      const pointToPoint = has('POINTOPOINT');
      const ethernet = line.includes('link/ether') && !has('NOARP') && !pointToPoint;
      const tunnel = name === 'tun0' ? { tunnel: { kind: 'tun' } } : {};
      return [name, { index: Number(index), up: has('UP'), pointToPoint, ethernet, ...tunnel }];
    });
    const { devices } = read();
    assert.deepEqual(devices, expected);
    assert.equal(new Map(devices).get('off0')!.up, false);
    assert.equal(new Map(devices).get('tun0')!.pointToPoint, true);
  });

  /** The main table in the words of `ip -N route show table main`. */
  const mainOf = (family: 4 | 6) => {
    const routes: Printed['main'][4] = [];
    for (const line of lines(`ip -N -${family} route show table main`)) {
      const words = line.trim().split(/\s+/);
      const word = (key: string) => (words.includes(key) ? words[words.indexOf(key) + 1]! : undefined);
      const via = word('via');
      const way: PrintedWay = {
        dev: word('dev') ?? '',
        ...(via !== undefined && via !== 'inet6' && { via }),
        unusable: via === 'inet6' || words.includes('dead'),
      };
      if (line.startsWith('\t')) {
        routes.at(-1)!.ways.push(way);
        continue;
      }
      const type = /^\d+$/.test(words[0]!) ? words.shift()! : '1';
      if (words[0] === 'default' && type !== '1') continue;
      const isMultipath = type === '1' && way.dev === '';
      const metric = Number(word('metric') ?? 0);
      routes.push({ dst: words[0]!, isThrow: type === '9', metric, ways: isMultipath ? [] : [way] });
    }
    return routes;
  };

  for (const family of [4, 6] as const) {
    test(`IPv${family}: the main table of \`ip route\`, in its order`, () => {
      const expected = mainOf(family);
      assert.ok(expected.length > 8, `${expected.length} routes`);
      assert.deepEqual(read().main[family], expected);
    });

    test(`IPv${family}: the addresses of \`ip addr show scope global\``, () => {
      const expected = lines(`ip -o -${family} addr show scope global`).map((line) => {
        const [, dev, , address] = line.split(/\s+/);
        return { dev, address: address!.includes('/') ? address : `${address}/${family === 4 ? 32 : 128}` };
      });
      assert.ok(expected.length >= 5, `${expected.length} addresses`);
      assert.deepEqual(read().addresses[family], expected);
    });
  }

  test('a way by a device that is down is dead', () => {
    machine.sh('ip link set w3 down');
    const expected = mainOf(4);
    assert.deepEqual(read().main[4], expected);
    const dead = expected.flatMap(({ ways }) => ways).filter((way) => way.dev === 'w3' && way.unusable);
    assert.equal(dead.length, 1);
    machine.sh(
      `ip link set w3 up; ip addr replace 2001:db8:3::2/64 dev w3; ip addr replace fe80::2/64 dev w3`,
    );
    machine.until('ip -o link show w3 | grep -q LOWER_UP');
  });

  test('gateways that their device reaches: those that `ip route get fibmatch` finds so', () => {
    const expected = CONFIG.wan.flatMap(({ dev, via, via6 }) =>
      [via, via6].flatMap((gateway) => {
        if (gateway === undefined) return [];
        const found = machine.attempt(`ip route get fibmatch ${gateway} oif ${dev}`).stdout.split('\n')[0]!;
        const isOther = /^($|default|local|broadcast|unreachable)/.test(found) || found.includes(' via ');
        return !isOther && found.includes(` dev ${dev} `) ? [`${dev} ${gateway}`] : [];
      }),
    );
    assert.deepEqual(read().onLink, expected);
    assert.deepEqual(expected, [
      'w1 192.0.1.1',
      'w1 2001:db8:1::1',
      'w1 192.0.1.3',
      'w1 fe80::1',
      'w3 2001:db8:3::1',
    ]);
    // Somebody's ip rules for a device answer before main, which makes no neighbour a stranger.
    machine.sh(`ip route add default via 192.0.1.1 dev w1 table 66
      ip -6 route add default via 2001:db8:3::1 dev w3 table 66
      ip rule add oif w1 lookup 66; ip -6 rule add oif w3 lookup 66; ip -6 rule add oif w1 prohibit`);
    assert.match(machine.sh('ip route get fibmatch 192.0.1.1 oif w1'), /^default /);
    assert.deepEqual(read().onLink, expected);
    machine.sh('ip rule del oif w1; ip -6 rule del oif w3; ip -6 rule del oif w1; ip route flush table 66');
    machine.sh('ip -6 route flush table 66');
  });

  test('networks of backends: those that `ip route get fibmatch` finds', () => {
    const expected = CONFIG.backend.map(({ to }) => {
      const first = machine.attempt(`ip -N route get fibmatch ${to}`).stdout.split(/\s/)[0]!;
      return [to, /^[0-9a-f]*[.:]/.test(first) ? first : to];
    });
    assert.deepEqual(read().networks, expected);
    assert.deepEqual(
      expected.map(([, network]) => network),
      [
        ...['10.9.0.0/24', '198.51.100.7', '10.77.0.0/16', '10.66.0.1', '10.9.0.1'],
        ...['fd09::/64', '2001:db8:ff::1', '2001:db8:66::1', 'fd00:5::/48'],
      ],
    );
  });

  test('MAC addresses of shared gateways: asked for, then read', () => {
    const known = () =>
      CONFIG.wan.slice(0, 2).flatMap(({ dev, via, via6 }) =>
        [via, via6].flatMap((gateway): [string, string][] => {
          const mac = / lladdr (\S+)/.exec(machine.sh(`ip -N neigh show ${gateway} dev ${dev}`))?.[1];
          return mac === undefined ? [] : [[`${dev} ${gateway}`, mac]];
        }),
      );
    machine.sh('ip neigh flush dev w1');
    assert.deepEqual(read().macs, []);
    assert.equal(read('ask').macs.length, 4);
    // A neighbour keeps its address while it is resolved again.
    assert.deepEqual(new Map(read().macs), new Map(known()));
    const mac = machine.sh('cat /sys/class/net/g1/address', {}, 'inet').trim();
    assert.deepEqual([...new Set(known().map(([, one]) => one))], [mac]);
  });
});
