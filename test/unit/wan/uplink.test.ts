import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LinkAddress, LinkState, Links } from '#wanmark/system/links.js';
import { linkVerdict, pathOf } from '#wanmark/wan/uplink.js';
import { wan } from '../flows.js';

const FOUR: LinkAddress[] = [
  { address: '10.0.0.9', netmask: '255.255.255.0', family: 'IPv4' },
  { address: '192.0.2.2', netmask: '255.255.255.248', family: 'IPv4' },
];
const SIX: LinkAddress[] = [
  { address: 'fe80::2', netmask: 'ffff:ffff:ffff:ffff::', family: 'IPv6' },
  { address: '2001:db8::2', netmask: 'ffff:ffff:ffff:ffff::', family: 'IPv6' },
  { address: '2001:db8:7::2', netmask: 'ffff:ffff:ffff:ffff::', family: 'IPv6' },
];

function links(state: LinkState = 'up', four = FOUR, six = SIX): Links {
  return { state: () => state, addresses: (_device, family) => (family === 6 ? six : four) };
}

const fibre = wan(1, { dev: 'eth1', via: '192.0.2.1', via6: '2001:db8:7::1' });

describe('linkVerdict', () => {
  it('says what is wrong with the device', () => {
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

  it('calls a family down that has lost its address, except where none is needed', () => {
    const none = links('up', [], SIX);
    assert.deepEqual(linkVerdict(fibre, 4, none), { up: false, reason: 'device eth1 has no IPv4 address' });
    assert.equal(linkVerdict(fibre, 6, none)?.up, true);
    assert.equal(linkVerdict(wan(1, { via: 'dev' }), 4, none)?.up, true);
  });
});

describe('pathOf', () => {
  it('takes the address on the gateway’s network, else the first that is not link-local', () => {
    const source = (via6: string) => pathOf({ ...fibre, via6 }, 6, links(), 0x100, false)?.source;
    assert.deepEqual(pathOf(fibre, 4, links(), 0x100, false), {
      wan: 'wan1',
      family: 4,
      mark: 0x100,
      device: 'eth1',
      source: '192.0.2.2',
      gateway: '192.0.2.1',
    });
    assert.equal(source('2001:db8:7::1'), '2001:db8:7::2');
    assert.equal(source('fe80::1'), '2001:db8::2');
    assert.equal(source('dev'), '2001:db8::2');
    assert.equal(
      pathOf({ ...fibre, via6: 'dev' }, 6, links('up', FOUR, SIX.slice(0, 1)), 1, false)?.source,
      undefined,
    );
  });

  it('leaves the address to the mark’s route on a shared device, and does not tell a script of "auto"', () => {
    assert.equal(pathOf(fibre, 4, links(), 1, true)?.source, undefined);
    assert.equal(pathOf({ ...fibre, via: 'auto' }, 4, links(), 1, false)?.gateway, undefined);
    assert.equal(pathOf({ ...fibre, via6: undefined }, 6, links(), 1, false), undefined);
  });
});
