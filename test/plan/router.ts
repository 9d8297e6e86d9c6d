import {
  type Device,
  type Facts,
  type MainRoute,
  NO_REDIRECTIONS,
  neighbourKey,
  type OtherRule,
  type Way,
} from '#wanmark/plan/facts.js';

/** A router with four uplinks, a port with several gateways behind it, and a LAN with servers. */

const device = (index: number, pointToPoint = false): Device => ({
  index,
  up: true,
  pointToPoint,
  ethernet: !pointToPoint,
});
const way = (dev: string, via?: string): Way => ({ dev, via, unusable: false });
const route = (dst: string, ways: readonly Way[], metric = 0): MainRoute => ({
  dst,
  ways,
  metric,
  isThrow: false,
});

/** The kernel's own ip rule of the main table. */
export const MAIN_RULE: OtherRule = {
  priority: 32_766,
  inverted: false,
  mark: undefined,
  before: ['from all'],
  after: [],
  action: 'lookup main',
  takesAll: true,
};

export const ROUTER: Facts = {
  redirections: NO_REDIRECTIONS,
  strict: new Set(['eth1', 'eth2', 'ppp0', 'port0', 'eth3']),
  devices: new Map([
    ['eth1', device(2)],
    ['eth2', device(3)],
    ['ppp0', device(4, true)],
    ['port0', device(5)],
    ['eth3', device(6)],
  ]),
  rules: { 4: [], 6: [] },
  main: {
    4: [
      route('default', [way('eth1', '192.0.2.1')], 100),
      route('default', [way('eth2', '198.51.100.1')], 200),
      route('10.0.0.0/8', [way('lan0')]),
      route('10.1.0.0/16', [way('lan0', '10.0.0.9')]),
      route('172.16.5.4', [way('wg0')]),
      route('172.31.0.0/16', []),
      { ...route('172.30.0.0/16', []), isThrow: true },
      route('192.0.2.0/24', [way('eth1')]),
      route('192.168.7.0/24', [way('lan0', '10.0.0.3'), way('lan0', '10.0.0.4')]),
    ],
    6: [
      route('2001:db8:1::/64', [way('eth1')], 256),
      route('fd00::/8', [way('lo')], 1024),
      route('fd00:9::/64', [way('lan0')], 256),
      route('fe80::/64', [way('eth1')], 256),
      route('default', [way('eth1', 'fe80::1')], 1024),
    ],
  },
  addresses: {
    4: [
      { dev: 'eth1', address: '192.0.2.2/24' },
      { dev: 'eth2', address: '198.51.100.2/24' },
      { dev: 'ppp0', address: '203.0.113.7/32' },
      { dev: 'port0', address: '192.0.2.2/24' },
      { dev: 'port0', address: '198.51.100.2/24' },
    ],
    6: [{ dev: 'eth1', address: '2001:db8:1::2/64' }],
  },
  onLink: new Set([
    neighbourKey('eth1', '192.0.2.1'),
    neighbourKey('eth1', 'fe80::1'),
    neighbourKey('eth2', '198.51.100.1'),
    ...['192.0.2.1', '198.51.100.1', '203.0.113.9'].map((gateway) => neighbourKey('port0', gateway)),
  ]),
  macs: new Map([
    [neighbourKey('port0', '192.0.2.1'), '02:00:00:00:00:01'],
    [neighbourKey('port0', '198.51.100.1'), '02:00:00:00:00:02'],
  ]),
  networks: new Map([
    ['10.1.2.3', '10.1.0.0/16'],
    ['fd00:9::53', 'fd00:9::/64'],
    ['fd00:9::54', 'fd00:9::/64'],
  ]),
};
