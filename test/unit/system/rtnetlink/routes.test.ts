import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOnLink } from '#wanmark/system/rtnetlink/route-lookup.js';
import {
  parseRoutes,
  type Route,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from '#wanmark/system/rtnetlink/routes.js';
import { ROUTES4, ROUTES6 } from './dumps.js';
import { parseDamaged } from './truncation.js';

const RTN_BLACKHOLE = 6;
const HOP = { index: 3, gateway: undefined, foreign: false, dead: false };
const ROUTE: Route = {
  dst: '192.0.2.0/24',
  type: RTN_UNICAST,
  table: 254,
  cloned: false,
  metric: 0,
  hops: [HOP],
};

describe('parseRoutes', () => {
  it('reads IPv4 routes of every kind', () => {
    assert.deepEqual(parseRoutes(ROUTES4, { family: 4 }), [
      { ...ROUTE, dst: 'default', hops: [{ ...HOP, gateway: '192.0.2.1' }] },
      {
        ...ROUTE,
        dst: 'default',
        metric: 50,
        hops: [
          { ...HOP, gateway: '192.0.2.3' },
          { ...HOP, foreign: true },
        ],
      },
      { ...ROUTE, dst: '10.7.0.2' },
      { ...ROUTE, dst: '10.8.0.0/24' },
      { ...ROUTE, dst: '10.66.0.0/16', type: RTN_BLACKHOLE, hops: [{ ...HOP, index: 0 }] },
      { ...ROUTE, dst: '172.16.5.4' },
      { ...ROUTE, dst: '172.20.0.0/16', type: RTN_THROW, hops: [{ ...HOP, index: 0 }] },
      ROUTE,
    ]);
  });

  it('reads IPv6 routes of every kind', () => {
    assert.deepEqual(parseRoutes(ROUTES6, { family: 6 }), [
      { ...ROUTE, dst: '2001:db8::/64', metric: 256 },
      {
        ...ROUTE,
        dst: '2001:db8:66::/48',
        type: RTN_UNREACHABLE,
        metric: 1024,
        hops: [{ ...HOP, index: 1 }],
      },
      { ...ROUTE, dst: 'fd00::1', metric: 256 },
      { ...ROUTE, dst: 'fd00::2', metric: 256 },
      {
        ...ROUTE,
        dst: 'fd00:5::/48',
        metric: 1024,
        hops: [
          { ...HOP, gateway: '2001:db8::1' },
          { ...HOP, gateway: '2001:db8::5' },
        ],
      },
      { ...ROUTE, dst: 'default', metric: 9, hops: [{ ...HOP, gateway: '2001:db8::1' }] },
    ]);
  });

  it('reads the default routes alone where they are enough', () => {
    const metrics = (dump: Uint8Array, family: 4 | 6) =>
      parseRoutes(dump, { family, defaults: true }).map(({ dst, metric }) => [dst, metric]);
    assert.deepEqual(metrics(ROUTES4, 4), [
      ['default', 0],
      ['default', 50],
    ]);
    assert.deepEqual(metrics(ROUTES6, 6), [['default', 9]]);
  });

  it('leaves out routes of the other family', () => {
    assert.deepEqual(parseRoutes(ROUTES4, { family: 6 }), []);
  });

  it('reads nothing beyond a dump that breaks off, or is damaged', () => {
    parseDamaged(ROUTES4, (messages) => parseRoutes(messages, { family: 4 }));
    parseDamaged(ROUTES6, (messages) => parseRoutes(messages, { family: 6 }));
  });
});

describe('isOnLink', () => {
  const cases: [string, Route | undefined, boolean][] = [
    ['a network of the device', ROUTE, true],
    ['an address of the device', { ...ROUTE, dst: '172.16.5.4' }, true],
    ['nothing', undefined, false],
    ['a default route', { ...ROUTE, dst: 'default' }, false],
    ['a network by another device', { ...ROUTE, hops: [{ ...HOP, index: 4 }] }, false],
    ['a network behind a gateway', { ...ROUTE, hops: [{ ...HOP, gateway: '192.0.2.1' }] }, false],
    [
      'a network behind a gateway of the other family',
      { ...ROUTE, hops: [{ ...HOP, foreign: true }] },
      false,
    ],
    ['a network by two ways', { ...ROUTE, hops: [HOP, HOP] }, false],
    ['an address of our own', { ...ROUTE, type: RTN_LOCAL }, false],
    ['a broadcast address', { ...ROUTE, type: RTN_BROADCAST }, false],
    ['a network that is refused', { ...ROUTE, type: RTN_UNREACHABLE }, false],
  ];
  for (const [what, route, expected] of cases) {
    it(`${what}: ${expected}`, () => assert.equal(isOnLink(route, 3), expected));
  }
});
