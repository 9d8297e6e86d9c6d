import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Family } from '#wanmark/core/family.js';
import { OwnNetworksReader } from '#wanmark/system/own-networks.js';
import type { InterfaceAddress } from '#wanmark/system/rtnetlink/addresses.js';
import type { Kernel } from '#wanmark/system/rtnetlink/kernel.js';
import { type NextHop, type Route, RTN_UNICAST, RTN_UNREACHABLE } from '#wanmark/system/rtnetlink/routes.js';

const WAN = 1;
const LAN = 2;
const NOT_UNICAST = ['224.0.0.0/4', '255.255.255.255', 'ff00::/8'];

function address(family: Family, index: number, local: string, prefixLength: number, peer?: string) {
  const flags = { deprecated: false, temporary: false };
  return { family, index, scope: 0, local, peer, prefixLength, ...flags } satisfies InterfaceAddress;
}

function route(dst: string, ...devices: number[]): Route {
  const hops = devices.map((index): NextHop => ({ index, gateway: undefined, foreign: false, dead: false }));
  return { dst, type: RTN_UNICAST, table: 254, cloned: false, metric: 0, hops };
}

function router(addresses: readonly InterfaceAddress[], routes: readonly Route[] = []): Kernel {
  const six = ({ dst }: Route) => dst.includes(':');
  return {
    links: () => [
      { name: 'wan1', index: WAN, type: 1, flags: 1 },
      { name: 'lan0', index: LAN, type: 1, flags: 1 },
    ],
    addresses: (family) => addresses.filter((one) => one.family === family),
    main: (family) => routes.filter((one) => six(one) === (family === 6)),
    rules: () => assert.fail('no need of rules'),
    hasDefault: () => assert.fail('no need of rules'),
    neighbours: () => assert.fail('no need of neighbours'),
    route: () => assert.fail('no need of look-ups'),
    reaches: () => assert.fail('no need of look-ups'),
    resolve: () => assert.fail('nobody is asked'),
  };
}

function read(kernel: Kernel) {
  const found = new OwnNetworksReader(['wan1'], kernel).read();
  return found && { ...found, networks: found.networks.filter((text) => !NOT_UNICAST.includes(text)) };
}

describe("the router's own networks", () => {
  it('are those that its devices are on, WANs and point-to-point ones included', () => {
    const found = read(
      router([
        address(4, LAN, '10.0.0.1', 24),
        address(4, WAN, '198.51.100.2', 30),
        address(4, WAN, '198.51.100.77', 32, '198.51.100.1'),
        address(6, LAN, '2001:db8:10::1', 64),
      ]),
    );
    assert.deepEqual(found?.addresses, ['10.0.0.1', '198.51.100.2', '198.51.100.77', '2001:db8:10::1']);
    assert.deepEqual(
      found?.networks.filter((text) => text.includes('/')),
      ['10.0.0.1/24', '198.51.100.1/32', '198.51.100.2/30', '2001:db8:10::1/64'],
    );
    for (const one of found.addresses) assert.ok(found.networks.includes(one), one);
  });

  it('are those that routes reach behind a device that is not a WAN', () => {
    const found = read(
      router(
        [],
        [
          route('10.20.0.0/16', LAN),
          route('10.30.0.0/16', LAN, LAN),
          route('172.16.5.4', LAN),
          route('2001:db8:20::/48', LAN),
          // These leave by a WAN, lead nowhere, or stand for the internet.
          route('192.0.2.0/24', WAN),
          route('192.0.3.0/24', LAN, WAN),
          { ...route('10.99.0.0/16', LAN), type: RTN_UNREACHABLE },
          route('default', LAN),
          route('0.0.0.0/1', LAN),
          route('2000::/3', LAN),
        ],
      ),
    );
    assert.deepEqual(found?.networks, ['10.20.0.0/16', '10.30.0.0/16', '172.16.5.4', '2001:db8:20::/48']);
  });

  it('contain multicast and broadcast, but no network that stands for all addresses', () => {
    const found = new OwnNetworksReader([], router([address(4, LAN, '10.0.0.1', 0)])).read();
    assert.deepEqual(found?.networks, ['10.0.0.1', ...NOT_UNICAST]);
  });

  it('are read anew each time, except for routes where there are many', () => {
    let now = 0;
    let routes = [route('10.20.0.0/16', LAN)];
    const kernel: Kernel = {
      ...router([]),
      main: (family) => {
        now += 1;
        return family === 4 ? routes : [];
      },
    };
    const reader = new OwnNetworksReader(['wan1'], kernel, () => now);
    const routed = () => reader.read()!.networks.filter((text) => !NOT_UNICAST.includes(text));
    assert.deepEqual(routed(), ['10.20.0.0/16']);
    routes = [];
    now += 900;
    assert.deepEqual(routed(), ['10.20.0.0/16']);
    now += 101;
    assert.deepEqual(routed(), []);
  });

  it('are unknown when the kernel does not answer', () => {
    const silent = () => {
      throw new Error('EPERM');
    };
    assert.equal(read({ ...router([]), addresses: silent }), undefined);
  });
});
