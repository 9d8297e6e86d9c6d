import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkOf } from '#wanmark/wan/passive/network.js';

describe('networkOf', () => {
  it('is a /24 or a /48', () => {
    for (const [address, network] of [
      ['192.0.2.77', '192.0.2'],
      ['2001:db8:1::5', '2001:db8:1'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1'],
      ['::1', '0:0:0'],
      ['2001::5', '2001:0:0'],
    ] as const) {
      assert.equal(networkOf(address), network);
    }
  });
});
