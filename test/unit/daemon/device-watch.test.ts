import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { concerns } from '#wanmark/daemon/device-watch.js';
import type { NewsItem } from '#wanmark/system/news.js';

const devices = new Set(['wan1', 'wan2']);

/** A route of main that came. */
function route(dst: string, direct: readonly string[] = [], table = 254): NewsItem {
  return { kind: 'route', family: 6, table, dst, direct, leads: true };
}

describe('news that ask for a look at the uplinks', () => {
  // A look reads each WAN's device, addresses and gateways: with 60 of them 10 ms, for which packets wait.
  for (const [what, item, isOne] of [
    ['a WAN’s device', { kind: 'link', index: 2, device: 'wan1', lost: false }, true],
    ['another device', { kind: 'link', index: 9, device: 'docker0', lost: true }, false],
    ['an address of a WAN', { kind: 'address', device: 'wan2', lost: false }, true],
    ['an address of another device', { kind: 'address', device: 'lan0', lost: true }, false],
    [
      'an address of a device that went before it was heard of',
      { kind: 'address', device: '', lost: true },
      true,
    ],
    ['a default route', route('default'), true],
    ['a default route of another table', route('default', [], 1001), false],
    ['a way to a gateway', route('198.51.100.1', ['wan2']), true],
    ['a way by two devices, one of them a WAN’s', route('198.51.100.0/24', ['lan0', 'wan1']), true],
    ['the network of a container', route('172.17.0.0/16', ['docker0']), false],
    ['a network behind a router', route('10.0.0.0/8'), false],
    ['more than could be told', { kind: 'unknown' }, true],
  ] as const) {
    it(`${isOne ? 'does' : 'does not'}: ${what}`, () => assert.equal(concerns(item, devices), isOne));
  }
});
