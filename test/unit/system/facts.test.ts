import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { SystemError } from '#wanmark/errors.js';
import { readFacts } from '#wanmark/system/facts.js';
import { parseAddresses } from '#wanmark/system/rtnetlink/addresses.js';
import type { Kernel } from '#wanmark/system/rtnetlink/kernel.js';
import { parseLinks } from '#wanmark/system/rtnetlink/links.js';
import { parseNeighbours } from '#wanmark/system/rtnetlink/neighbours.js';
import {
  parseRoutes,
  type Route,
  RTN_LOCAL,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from '#wanmark/system/rtnetlink/routes.js';
import { ADDRESSES4, ADDRESSES6, LINKS, NEIGHBOURS4, ROUTES4, ROUTES6 } from './rtnetlink/dumps.js';

const HOP = { index: 3, gateway: undefined, foreign: false, dead: false };
const ROUTE: Route = {
  dst: 'default',
  type: RTN_UNICAST,
  table: 254,
  cloned: false,
  metric: 0,
  hops: [HOP],
};

/** The machine whose dumps these are; `found` holds the routes to addresses. */
function kernel(found: Record<string, Route> = {}, change: Partial<Kernel> = {}): Kernel {
  return {
    links: () => parseLinks(LINKS),
    addresses: (family) => parseAddresses(family === 4 ? ADDRESSES4 : ADDRESSES6),
    main: (family) => parseRoutes(family === 4 ? ROUTES4 : ROUTES6, { family }),
    rules: () => [],
    hasDefault: () => assert.fail('no rule leads to another table'),
    neighbours: (family) => (family === 4 ? parseNeighbours(NEIGHBOURS4, 4) : []),
    route: (_, address) => found[address],
    reaches: () => false,
    resolve: () => assert.fail('reading facts asks nobody'),
    ...change,
  };
}

const ONE = parseConfig({ wan: [{ name: 'fibre', dev: 'w1', via: '192.0.2.1' }] });
const way = (via?: string, unusable = false) => ({ dev: 'w1', via, unusable });

describe('readFacts', () => {
  it('has the devices by name', () => {
    assert.deepEqual(
      readFacts(ONE, kernel()).devices,
      new Map([
        ['lo', { index: 1, up: true, pointToPoint: false, ethernet: false }],
        ['g1', { index: 2, up: true, pointToPoint: false, ethernet: true }],
        ['w1', { index: 3, up: true, pointToPoint: false, ethernet: true }],
      ]),
    );
  });

  it('knows which devices are switched off, and which need no gateway', () => {
    const links = () => [
      { name: 'ppp0', index: 7, type: 512, flags: 0x10 },
      { name: 'eth0', index: 8, type: 1, flags: 0x1 },
      { name: 'dummy0', index: 9, type: 1, flags: 0x81 },
    ];
    const { devices } = readFacts(ONE, kernel({}, { links }));
    assert.deepEqual(devices.get('ppp0'), { index: 7, up: false, pointToPoint: true, ethernet: false });
    assert.deepEqual(devices.get('eth0'), { index: 8, up: true, pointToPoint: false, ethernet: true });
    assert.equal(devices.get('dummy0')!.ethernet, false);
  });

  it('has the main table', () => {
    const { main } = readFacts(ONE, kernel());
    const route = (dst: string, metric: number, ...ways: unknown[]) => ({
      dst,
      isThrow: false,
      metric,
      ways: ways.length > 0 ? ways : [way()],
    });
    assert.deepEqual(main[4], [
      route('default', 0, way('192.0.2.1')),
      route('default', 50, way('192.0.2.3'), way(undefined, true)),
      route('10.7.0.2', 0),
      route('10.8.0.0/24', 0),
      route('10.66.0.0/16', 0, { dev: '', via: undefined, unusable: false }),
      route('172.16.5.4', 0),
      { ...route('172.20.0.0/16', 0, { dev: '', via: undefined, unusable: false }), isThrow: true },
      route('192.0.2.0/24', 0),
    ]);
    assert.deepEqual(
      main[6].map(({ dst, metric }) => [dst, metric]),
      [
        ['2001:db8::/64', 256],
        ['2001:db8:66::/48', 1024],
        ['fd00::1', 256],
        ['fd00::2', 256],
        ['fd00:5::/48', 1024],
        ['default', 9],
      ],
    );
  });

  it('leaves out a default route that refuses, and marks a dead way', () => {
    const main = () => [
      { ...ROUTE, type: RTN_UNREACHABLE },
      { ...ROUTE, hops: [{ ...HOP, dead: true }] },
    ];
    assert.deepEqual(readFacts(ONE, kernel({}, { main })).main[4], [
      { dst: 'default', isThrow: false, metric: 0, ways: [way(undefined, true)] },
    ]);
  });

  it('has the addresses of global scope', () => {
    const { addresses } = readFacts(ONE, kernel());
    assert.deepEqual(addresses[4], [
      { dev: 'w1', address: '192.0.2.2/24' },
      { dev: 'w1', address: '10.7.0.1/32' },
    ]);
    assert.deepEqual(addresses[6], [
      { dev: 'w1', address: 'fd00::1/128' },
      { dev: 'w1', address: '2001:db8::2/64' },
    ]);
  });

  it('has the gateways that their device reaches', () => {
    const config = parseConfig({
      wan: [
        { name: 'a', dev: 'w1', via: '192.0.2.1', via6: '2001:DB8::1' },
        { name: 'b', dev: 'g1', via: '192.0.2.1' },
        { name: 'c', dev: 'no', via: '192.0.2.1' },
        { name: 'd', dev: 'lo', via: 'auto', via6: 'dev' },
      ],
    });
    const asked: unknown[] = [];
    const reaches: Kernel['reaches'] = (...args) => {
      asked.push(args);
      return args[2] === 3;
    };
    assert.deepEqual(
      readFacts(config, kernel({}, { reaches })).onLink,
      new Set(['w1 192.0.2.1', 'w1 2001:DB8::1']),
    );
    assert.deepEqual(asked, [
      [4, '192.0.2.1', 3],
      [6, '2001:DB8::1', 3],
      [4, '192.0.2.1', 2],
    ]);
  });

  it('has the MAC addresses of gateways on a shared device, where they are known', () => {
    const wan = (name: string, via: string) => ({ name, dev: 'w1', via });
    const config = parseConfig({ wan: [wan('a', '192.0.2.1'), wan('b', '192.0.2.4')] });
    assert.deepEqual(readFacts(config, kernel()).macs, new Map([['w1 192.0.2.1', '02:00:00:00:00:aa']]));
    assert.deepEqual(readFacts(ONE, kernel()).macs, new Map());
  });

  it('has the network of each backend, or the backend alone', () => {
    const backends = ['10.0.0.1', '10.0.1.1', '10.0.2.1', '10.0.3.1'];
    const config = parseConfig({
      service: [{ name: 'web', listen: '192.0.2.2:80/tcp' }],
      backend: backends.map((to) => ({ service: 'web', to })),
    });
    const found = {
      '10.0.0.1': { ...ROUTE, dst: '10.0.0.0/24' },
      '10.0.1.1': ROUTE,
      '10.0.2.1': { ...ROUTE, dst: '10.0.2.1/31', type: RTN_LOCAL },
    };
    assert.deepEqual(
      readFacts(config, kernel(found)).networks,
      new Map([
        ['10.0.0.1', '10.0.0.0/24'],
        ['10.0.1.1', '10.0.1.1'],
        ['10.0.2.1', '10.0.2.1'],
        ['10.0.3.1', '10.0.3.1'],
      ]),
    );
  });

  it('says in a line that the kernel does not answer', () => {
    const links = () => {
      throw Object.assign(new Error('Resource temporarily unavailable'), { errno: 11 });
    };
    assert.throws(
      () => readFacts(ONE, kernel({}, { links })),
      (error) =>
        error instanceof SystemError && error.code === 'NO_FACTS' && /unavailable/.test(error.message),
    );
  });
});
