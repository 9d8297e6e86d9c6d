import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddresses } from '#wanmark/config/match/address.js';

describe('the addresses of a rule', () => {
  it('are networks as the kernel prints them', () => {
    for (const [given, text] of [
      ['192.168.1.77/24', '192.168.1.0/24'],
      ['192.168.1.77/25', '192.168.1.0/25'],
      ['192.168.1.200/25', '192.168.1.128/25'],
      ['10.9.8.7/0', '0.0.0.0/0'],
      ['10.9.8.7/32', '10.9.8.7'],
      ['10.9.8.7/255.0.0.0', '10.0.0.0/8'],
      ['2001:DB8:0:0:1::5/36', '2001:db8::/36'],
      ['2001:db8::1/128', '2001:db8::1'],
      ['0.0.0.1/0.0.0.1', '0.0.0.1/0.0.0.1'],
    ] as const)
      assert.equal(parseAddresses('test', given).text, text);
  });
});
