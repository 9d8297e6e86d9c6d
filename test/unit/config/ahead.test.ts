import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { assertRefused } from './refused.js';

const WANS = ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1'];
const AHEAD: RawConfig = { wan: WANS, engine: 'ahead', firewall: 'nft' };

describe('engine ahead', () => {
  it('is for nft, or whatever may become nft', () => {
    assert.equal(parseConfig(AHEAD).rules.engine, 'ahead');
    assert.equal(parseConfig({ ...AHEAD, firewall: 'auto' }).rules.engine, 'ahead');
    for (const firewall of ['iptables', undefined])
      assertRefused(
        () => parseConfig({ wan: WANS, engine: 'ahead', ...(firewall && { firewall }) }),
        /^engine ahead needs --backend nft: /,
      );
  });

  for (const [what, more, complaint] of [
    ['per packet', { per: 'packet' }, /^--per packet needs --engine kernel/],
    ['pairs of families', { 'pair-families': true }, /^engine ahead sees no packets, .*pair-families/],
    ['the bytes of packets', { 'log-packet': true }, /^engine ahead sees no packets; leave log-packet out/],
    ['sticky clients', { sticky: 'src' }, /^engine ahead keeps no clients \(policy default\)/],
    [
      'services',
      { service: ['web,listen=192.0.2.1:80/tcp'], backend: ['web,to=10.0.0.2'] },
      /^engine ahead is for WANs alone/,
    ],
    ['bare marks', { wan: undefined, 'high-mark': 2 }, /^engine ahead .*high-mark is for rules of your own/],
  ] as const satisfies readonly (readonly [string, RawConfig, RegExp])[])
    it(`refuses ${what}`, () => {
      assertRefused(() => parseConfig({ ...AHEAD, ...more }), complaint);
    });
});
