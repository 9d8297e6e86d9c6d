import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { unusedSettings } from '#wanmark/config/unused.js';

const lines = (raw: RawConfig) => unusedSettings(parseConfig(raw));
const WANS = ['fibre,dev=eth1,via=192.0.2.1,weight=5', 'dsl,dev=eth2,via=198.51.100.1'];

describe('unusedSettings', () => {
  it('names weights that the strategy ignores, of WANs and bare marks', () => {
    for (const strategy of ['round-robin', 'rr', 'failover', 'fo']) {
      assert.deepEqual(lines({ wan: WANS, strategy }), [
        `strategy ${strategy} ignores weights, and fibre has weight 5; use weighted`,
      ]);
    }
    assert.deepEqual(lines({ 'high-mark': 3, weights: '1,2,0', strategy: 'rr' }), [
      'strategy rr ignores weights, and mark2 has weight 2; use weighted',
    ]);
  });

  it('names those of a service', () => {
    const service = ['web,listen=192.0.2.1:80/tcp,strategy=rr', 'db,listen=192.0.2.1:81/tcp'];
    const backend = [
      'web,to=10.0.0.2',
      'web,to=10.0.0.3,weight=2',
      'db,to=10.0.0.2,weight=2',
      'db,to=10.0.0.3',
    ];
    assert.deepEqual(lines({ service, backend }), [
      'service "web": strategy round-robin ignores weights, and 10.0.0.3 has weight 2; use weighted',
    ]);
  });

  it('names pairs of families where the kernel chooses', () => {
    const raw = { wan: WANS, 'pair-families': true };
    assert.deepEqual(lines({ ...raw, engine: 'kernel' }), [
      'pair-families needs the daemon; with engine kernel each connection is chosen for alone',
    ]);
    assert.deepEqual(lines(raw), []);
    assert.throws(() => lines({ 'high-mark': 3, 'pair-families': true }), /is for the uplinks of --wan/);
  });

  it('is silent where weights count, or could make no difference', () => {
    for (const strategy of [
      'weighted',
      'random',
      'source-hash',
      'hash:dst',
      'lc',
      'sed',
      'nq',
      'p2c',
      './my.js',
    ]) {
      assert.deepEqual(lines({ wan: WANS, strategy }), [], strategy);
    }
    assert.deepEqual(lines({ wan: WANS }), []);
    const equal = WANS.map((wan) => wan.replace(',weight=5', '').concat(',weight=5'));
    assert.deepEqual(lines({ wan: equal, strategy: 'rr' }), []);
    const tiers = [WANS[0]!, `${WANS[1]},tier=2`];
    assert.deepEqual(lines({ wan: tiers, strategy: 'failover' }), []);
    const drained = [WANS[0]!, `${WANS[1]},weight=0`];
    assert.deepEqual(lines({ wan: drained, strategy: 'rr' }), []);
  });

  it('names a strategy that the kernel alone cannot follow', () => {
    const raw = { wan: WANS, engine: 'kernel' };
    for (const strategy of ['round-robin', 'wrr', 'random', 'failover']) {
      assert.deepEqual(lines({ ...raw, strategy }), [], strategy);
    }
    assert.deepEqual(lines({ ...raw, strategy: 'hash:src,sport' }), [
      'strategy hash:src,sport needs the daemon, or --kernel-mode hash:src,sport with --backend nft; the kernel chooses by weight',
    ]);
    assert.deepEqual(lines({ ...raw, strategy: 'least-connections' }), [
      'strategy least-connections needs the daemon; with engine kernel the kernel chooses, by weight',
    ]);
    const hash = { ...raw, firewall: 'nft', 'kernel-mode': 'hash:sport+src' };
    assert.deepEqual(lines({ ...hash, strategy: 'hash:src,sport' }), []);
    assert.deepEqual(lines(hash), []);
    assert.deepEqual(lines({ ...hash, strategy: 'source-hash' }), [
      'strategy source-hash needs the daemon; with engine kernel the kernel chooses by its hash',
    ]);
  });
});
