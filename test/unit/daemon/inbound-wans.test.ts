import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InboundWans } from '#wanmark/daemon/inbound-wans.js';
import { wan } from '../flows.js';

describe('InboundWans', () => {
  it('knows a device again that comes back under another index, and forgets the old one', () => {
    const inbound = new InboundWans([wan(1, { dev: 'eth1' }), wan(2, { dev: 'ppp0' })]);
    const see = (ppp0: number) => inbound.update({ index: (device) => (device === 'eth1' ? 3 : ppp0) });
    const names = (...indexes: number[]) => indexes.map((index) => inbound.get(index, 4)?.name);
    assert.deepEqual(names(3, 0), [undefined, undefined]);
    see(0);
    assert.deepEqual(names(3, 7, 0), ['wan1', undefined, undefined]);
    see(7);
    assert.deepEqual(names(3, 7), ['wan1', 'wan2']);
    see(9);
    assert.deepEqual(names(3, 7, 9), ['wan1', undefined, 'wan2']);
  });

  it('tells the families of a device apart that are WANs of their own', () => {
    const inbound = new InboundWans([
      wan(1, { dev: 'eth1', via6: undefined }),
      wan(2, { dev: 'eth1', via: undefined }),
    ]);
    inbound.update({ index: () => 3 });
    assert.deepEqual([inbound.get(3, 4)?.name, inbound.get(3, 6)?.name], ['wan1', 'wan2']);
  });

  it('says nothing about a device that several WANs share', () => {
    const inbound = new InboundWans([
      wan(1, { dev: 'eth1' }),
      wan(2, { dev: 'eth1' }),
      wan(3, { dev: 'eth3' }),
    ]);
    inbound.update({ index: (device) => Number(device.slice(-1)) });
    assert.deepEqual([inbound.get(1, 4), inbound.get(3, 6)?.name], [undefined, 'wan3']);
  });
});
