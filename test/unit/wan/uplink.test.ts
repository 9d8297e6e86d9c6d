import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LinkAddress, LinkState, Links } from '#wanmark/system/links.js';
import { linkVerdict, pathOf, wayOf } from '#wanmark/wan/uplink.js';
import { wan } from '../flows.js';

const FOUR: LinkAddress[] = [
  { local: '10.0.0.9', prefixLength: 24 },
  { local: '192.0.2.2', prefixLength: 29 },
];
const SIX: LinkAddress[] = [
  { local: 'fe80::2', prefixLength: 64 },
  { local: '2001:db8::2', prefixLength: 64 },
  { local: '2001:db8:7::2', prefixLength: 64 },
];

interface World {
  readonly gateway?: string | undefined;
  readonly reaches?: boolean;
  readonly index?: number;
}

function links(state: LinkState = 'up', four = FOUR, six = SIX, world: World = {}): Links {
  return {
    state: () => state,
    addresses: (_device, family) => (family === 6 ? six : four),
    index: () => world.index ?? 7,
    gateway: () => world.gateway,
    reaches: () => world.reaches ?? true,
  };
}

const fibre = wan(1, { dev: 'eth1', via: '192.0.2.1', via6: '2001:db8:7::1' });

describe('linkVerdict', () => {
  it('tells what is wrong with the device', () => {
    const reasons = (['gone', 'switched off', 'without carrier'] as const).map(
      (state) => linkVerdict(fibre, 4, links(state))?.reason,
    );
    assert.deepEqual(reasons, [
      'device eth1 is gone',
      'device eth1 is switched off',
      'device eth1 has no carrier',
    ]);
    assert.equal(linkVerdict(fibre, 4, links())?.up, true);
    assert.equal(linkVerdict(wan(1, { via6: undefined }), 6, links('gone')), undefined);
  });

  it('is down for a family that has lost its address, except where none is needed', () => {
    const none = { ...links('up', [], SIX), reaches: (_device: string, family: number) => family === 6 };
    assert.deepEqual(linkVerdict(fibre, 4, none), { up: false, reason: 'device eth1 has no IPv4 address' });
    assert.equal(linkVerdict(fibre, 6, none)?.up, true);
    assert.equal(linkVerdict(wan(1, { via: 'dev' }), 4, none)?.up, true);
  });
});

describe('linkVerdict of the way to the gateway', () => {
  it('is down when a fixed gateway is on no network of the device; a host route counts as a network', () => {
    const elsewhere = links('up', FOUR, SIX, { reaches: false });
    assert.deepEqual(linkVerdict(fibre, 4, elsewhere), {
      up: false,
      reason: 'gateway 192.0.2.1 is not on the network of device eth1',
    });
    assert.equal(linkVerdict(fibre, 4, links('up', [], []))?.up, true);
  });

  it('is down when the main table has no default route for `auto` to follow', () => {
    const auto = { ...fibre, via: 'auto', via6: 'auto' };
    const reason = (world: Links, family: 4 | 6 = 4) => {
      const verdict = linkVerdict(auto, family, world)!;
      return verdict.up ? 'up' : verdict.reason;
    };
    assert.equal(reason(links()), 'the main table has no IPv4 default route by device eth1');
    assert.equal(reason(links(), 6), 'the main table has no IPv6 default route by device eth1');
    assert.equal(reason(links('up', [])), 'device eth1 has no IPv4 address');
    assert.equal(reason(links('up', FOUR, SIX, { gateway: '192.0.2.1' })), 'up');
    assert.equal(reason(links('up', [], [], { gateway: 'dev' })), 'up');
    assert.equal(reason(links('up', [], [], { gateway: 'auto' })), 'up', 'not to be known');
  });
});

describe('wayOf', () => {
  it('changes with the device’s index, state, address or gateway, and with nothing else', () => {
    const auto = { ...fibre, via: 'auto' };
    const worlds = [
      links('up', FOUR, SIX, { gateway: '192.0.2.1' }),
      links('up', FOUR, SIX, { gateway: '192.0.2.3' }),
      links('up', FOUR, SIX, { gateway: '192.0.2.1', index: 8 }),
      links('up', FOUR.slice(1), SIX, { gateway: '192.0.2.1' }),
      links('without carrier', FOUR, SIX, { gateway: '192.0.2.1' }),
    ];
    assert.equal(new Set(worlds.map((world) => wayOf(auto, 4, world))).size, worlds.length);
    assert.equal(wayOf(auto, 4, worlds[0]!), wayOf(auto, 4, links('up', FOUR, [], { gateway: '192.0.2.1' })));
    assert.equal(wayOf(wan(1, { via6: undefined }), 6, links()), '');
  });
});

describe('pathOf', () => {
  it('leaves the source address to the kernel, and does not tell a script of "auto"', () => {
    assert.deepEqual(pathOf(fibre, 4, links(), 0x100), {
      wan: 'wan1',
      family: 4,
      mark: 0x100,
      device: 'eth1',
      gateway: '192.0.2.1',
    });
    const auto = { ...fibre, via: 'auto' };
    assert.equal(pathOf(auto, 4, links(), 1)?.gateway, undefined);
    const followed = pathOf(auto, 4, links('up', FOUR, SIX, { gateway: '192.0.2.1' }), 1);
    assert.equal(followed?.gateway, '192.0.2.1');
    assert.equal(pathOf({ ...fibre, via6: undefined }, 6, links(), 1), undefined);
  });
});
