/** `via=auto`: a WAN's gateway is the one that the main table has for its device, and follows it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { namespaces, needs } from '../helpers/requires.js';
import { Machine, SERVER, SERVER6 } from './rules-harness.js';

const PORT = '7000';
const AUTO = {
  wan: [1, 2, 3].map((k) => `wan${k},dev=w${k},via=auto,via6=auto`),
  engine: 'kernel',
  'kernel-mode': 'nth',
};

describe('via=auto', needs(namespaces), () => {
  let machine: Machine;
  let clean: string;

  const ok = (verb: string, config?: RawConfig) => {
    const result = machine.wanmark(verb, config);
    assert.equal(result.status, 0, result.stderr);
    return result.stderr;
  };
  const routes = (family: 4 | 6, table: number) =>
    machine.sh(`ip -${family} route show table ${table} 2>/dev/null || :`).trim();
  const nextHops = () => [1, 2, 3].map((k) => /(via \S+|unreachable)/.exec(routes(4, 1000 + k))?.[0]);
  const left = async (to = SERVER, count = 6) => {
    const lines = await machine.call(['tcp', String(count), to, PORT], 'client');
    const seen: Record<string, number> = {};
    for (const line of lines) seen[line] = (seen[line] ?? 0) + 1;
    return seen;
  };
  /** The state of the machine without the order of routes, which the kernel changes when a device is made anew. */
  const sorted = () => machine.snapshot().split('\n').sort();

  /** Makes w2 as a modem does: a new device with another network and gateway. */
  const plugIn = (net: string) =>
    machine.sh(`
      ip link add w2 type veth peer name g2 netns inet
      echo 0 > /proc/sys/net/ipv6/conf/w2/accept_dad; echo 0 | ip netns exec inet tee /proc/sys/net/ipv6/conf/g2/accept_dad >/dev/null
      ip link set w2 up; ip -n inet link set g2 up
      ip addr add ${net}.2/24 dev w2; ip -n inet addr add ${net}.1/24 dev g2
      ip route add default via ${net}.1 dev w2 metric 50`);

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    // DHCP clients and router advertisements leave such routes in the main table.
    machine.sh(`
      ip route add default via 192.0.2.1 dev w2 proto dhcp metric 200
      ip route add default via 192.0.2.9 dev w2 proto dhcp metric 300
      ip -6 route add default via fe80::1 dev w2 proto ra metric 1100 expires 1000`);
    const serving = await machine.peer(['serve', PORT, SERVER, SERVER6], 'inet');
    assert.equal(await serving.line(), 'ready');
    clean = machine.snapshot();
  });
  after(() => machine.stop());

  test('at up: the best default route by the device; where there is none, a message and no route', async () => {
    const said = ok('up', AUTO);
    assert.match(
      said,
      /^wanmark: WAN wan3: the main table has no IPv4 default route by w3 for its gateway to follow; .*left out$/m,
    );
    assert.match(said, /no IPv6 default route by w3/);
    assert.deepEqual(nextHops(), ['via 192.0.1.1', 'via 192.0.2.1', 'unreachable']);
    assert.match(routes(6, 1002), /^default via fe80::1 dev w2 /);
    assert.match(routes(6, 1001), /^default via 2001:db8:1::1 dev w1 /);
    assert.match(routes(6, 1003), /^unreachable default /);
    assert.deepEqual(await left(), { '192.0.1.2': 3, '192.0.2.2': 3 });
    assert.deepEqual(await left(SERVER6), { '2001:db8:1::2': 3, '2001:db8:2::2': 3 });
    assert.match(ok('up', AUTO), /already up; nothing to change/);
    ok('down');
    assert.equal(machine.snapshot(), clean);
  });

  test('refresh follows: a route that comes, another gateway, another address', async () => {
    ok('up', AUTO);
    machine.sh('ip route add default via 192.0.3.1 dev w3 metric 400');
    ok('refresh');
    assert.deepEqual(nextHops(), ['via 192.0.1.1', 'via 192.0.2.1', 'via 192.0.3.1']);
    assert.deepEqual(await left(), { '192.0.1.2': 2, '192.0.2.2': 2, '192.0.3.2': 2 });

    // A new lease: another network, address and gateway.
    machine.sh(`ip addr del 192.0.3.2/24 dev w3; ip addr add 198.51.100.2/24 dev w3
      ip -n inet addr add 198.51.100.1/24 dev g3; ip route add default via 198.51.100.1 dev w3 metric 400`);
    const said = ok('refresh');
    assert.doesNotMatch(said, /missing/);
    assert.deepEqual(nextHops()[2], 'via 198.51.100.1');
    assert.match(machine.sh('ip rule'), /from 198\.51\.100\.2 lookup 1003/);
    assert.doesNotMatch(machine.sh('ip rule'), /from 192\.0\.3\.2 /);
    assert.deepEqual(await left(), { '192.0.1.2': 2, '192.0.2.2': 2, '198.51.100.2': 2 });

    // Some hosters give a gateway that is in no network of the device.
    machine.sh(`ip -n inet addr add 203.0.113.77/32 dev g3
      ip route replace default via 203.0.113.77 dev w3 onlink metric 400`);
    ok('refresh');
    assert.match(routes(4, 1003), /via 203\.0\.113\.77 dev w3 .*onlink/);
    assert.match(machine.wanmark('up', AUTO).stderr, /nothing to change/);
    assert.deepEqual(await left(), { '192.0.1.2': 2, '192.0.2.2': 2, '198.51.100.2': 2 });

    machine.sh(`ip route del default dev w3; ip -n inet addr del 198.51.100.1/24 dev g3
      ip -n inet addr del 203.0.113.77/32 dev g3
      ip addr del 198.51.100.2/24 dev w3; ip addr add 192.0.3.2/24 dev w3`);
    ok('refresh');
    assert.deepEqual(nextHops()[2], 'unreachable');
    assert.deepEqual(await left(), { '192.0.1.2': 3, '192.0.2.2': 3 });
    ok('down');
    assert.deepEqual(sorted(), clean.split('\n').sort());
  });

  test('a WAN for each family of a device, each with its own share, table and fate', async () => {
    const SPLIT = {
      ...AUTO,
      wan: [
        'wan,dev=w1,via=auto,weight=2',
        'wan6,dev=w1,via6=auto',
        'b,dev=w2,via=auto',
        'b6,dev=w2,via6=auto',
      ],
    };
    ok('up', SPLIT);
    const tables = (family: 4 | 6) => [1, 2, 3, 4].map((k) => routes(family, 1000 + k).split(' ', 5)[4]);
    assert.deepEqual(tables(4), ['w1', undefined, 'w2', undefined]);
    assert.deepEqual(tables(6), [undefined, 'w1', undefined, 'w2']);
    assert.deepEqual(await left(), { '192.0.1.2': 4, '192.0.2.2': 2 });
    assert.deepEqual(await left(SERVER6), { '2001:db8:1::2': 3, '2001:db8:2::2': 3 });
    // IPv4 goes, and IPv6 by the same device stays.
    machine.sh('ip route del default dev w1');
    assert.match(ok('refresh'), /WAN wan: the main table has no IPv4 default route by w1/);
    assert.deepEqual(await left(), { '192.0.2.2': 6 });
    assert.deepEqual(await left(SERVER6), { '2001:db8:1::2': 3, '2001:db8:2::2': 3 });
    machine.sh('ip route add default via 192.0.1.1');
    ok('down');
    assert.deepEqual(sorted(), clean.split('\n').sort());
    const twice = machine.wanmark('up', { wan: ['wan,dev=w1,via=auto', 'b,dev=w1,via=192.0.1.1'] });
    assert.deepEqual([twice.status, twice.stderr.split('\n').length], [2, 2], twice.stderr);
  });

  test('a device that goes and comes back as another one, and one that did not exist at up', async () => {
    ok('up', AUTO);
    const index = machine.sh('ip -o link show dev w2').split(':')[0];
    machine.sh('ip link del w2');
    assert.match(ok('refresh'), /^wanmark: WAN wan2: there is no device w2/m);
    assert.deepEqual(nextHops(), ['via 192.0.1.1', 'unreachable', 'unreachable']);
    assert.deepEqual(await left(), { '192.0.1.2': 6 });

    plugIn('198.51.100');
    const said = ok('refresh');
    assert.notEqual(machine.sh('ip -o link show dev w2').split(':')[0], index);
    assert.doesNotMatch(said, /missing/, 'nobody took anything away');
    assert.deepEqual(nextHops(), ['via 192.0.1.1', 'via 198.51.100.1', 'unreachable']);
    assert.equal(machine.sh('cat /proc/sys/net/ipv4/conf/w2/src_valid_mark'), '1\n');
    assert.deepEqual(await left(), { '192.0.1.2': 3, '198.51.100.2': 3 });
    assert.deepEqual(
      await machine.call(['tcp', '2', SERVER, PORT, '198.51.100.2']),
      ['198.51.100.2', '198.51.100.2'],
      'bound to its address',
    );

    // Between two looks, so that only the device's index shows the change.
    machine.sh('ip link del w2');
    plugIn('198.51.100');
    assert.doesNotMatch(ok('refresh'), /missing/);
    assert.deepEqual(await left(), { '192.0.1.2': 3, '198.51.100.2': 3 });
    // The control: parts that somebody removes are reported.
    machine.sh('ip route flush table 1002; echo 0 > /proc/sys/net/ipv4/conf/w2/src_valid_mark');
    assert.match(
      ok('refresh'),
      /missing: ip -4 route .* table 1002\n.*missing: sysctl src_valid_mark of w2\n/s,
    );

    machine.sh('ip link del w2');
    ok('down');
    const without = sorted();
    assert.match(ok('up', AUTO), /^wanmark: WAN wan2: there is no device w2.*left out$/m);
    assert.deepEqual(await left(), { '192.0.1.2': 6 });
    plugIn('198.51.100');
    ok('refresh');
    assert.deepEqual(await left(), { '192.0.1.2': 3, '198.51.100.2': 3 });
    machine.sh('ip link del w2');
    ok('down');
    assert.deepEqual(sorted(), without);
  });

  test('a point-to-point device: main’s route without a gateway, or just its address', () => {
    const before = machine.snapshot();
    machine.sh(
      'ip tuntap add ppp0 mode tun; ip addr add 203.0.113.7 peer 203.0.113.6 dev ppp0; ip link set ppp0 up',
    );
    ok('up', { ...AUTO, wan: 'modem,dev=ppp0,via=auto,via6=auto' });
    assert.match(routes(4, 1001), /^default dev ppp0 /);
    assert.match(routes(6, 1001), /^unreachable /, 'it has no IPv6');
    machine.sh('ip route add default dev ppp0 metric 700');
    ok('refresh');
    assert.match(routes(4, 1001), /^default dev ppp0 /);
    machine.sh('ip link del ppp0');
    ok('refresh');
    assert.match(routes(4, 1001), /^unreachable /);
    ok('down');
    assert.equal(machine.snapshot(), before);
  });
});
