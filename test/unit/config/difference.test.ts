import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { configDifference } from '#wanmark/config/difference.js';
import type { RawConfig } from '#wanmark/config/options.js';

const FROM = {
  wan: ['fibre,dev=eth1,via=192.0.2.1,weight=5', 'dsl,dev=eth2,via=198.51.100.1'],
  check: ['all=ping,to=1.1.1.1'],
  policy: ['video,use=dsl'],
  rule: ['video,dport=443,proto=tcp', 'dsl,from=10.0.0.0/8'],
} satisfies RawConfig;

const between = (to: RawConfig, from: RawConfig = FROM) =>
  configDifference(parseConfig(from), parseConfig({ ...from, ...to }));
const lines = (to: RawConfig) => between(to).lines;

describe('the difference of two configurations', () => {
  it('is nothing where both say the same in other words', () => {
    assert.deepEqual(
      between({ wan: [{ name: 'fibre', dev: 'eth1', via: '192.0.2.1', weight: 5 }, FROM.wan[1]] }),
      {
        lines: [],
        fixed: [],
      },
    );
  });

  it('names what changed of a WAN, and WANs that come and go', () => {
    assert.deepEqual(
      lines({
        wan: ['fibre,dev=eth1,via=192.0.2.1,weight=3', 'lte,dev=wwan0,tier=2'],
        policy: ['video,use=lte'],
        rule: ['video,dport=443,proto=tcp'],
      }),
      [
        '~ fibre weight 5 -> 3',
        '+ lte dev wwan0 tier 2',
        '- dsl',
        '+ policy video,use=lte,none=main',
        '- policy video,use=dsl,none=main',
        '- rule dsl,from=10.0.0.0/8',
      ],
    );
  });

  it('tells rules in another order, since the first that matches holds', () => {
    assert.deepEqual(lines({ rule: FROM.rule.toReversed() }), ['~ rule in another order']);
  });

  it('names options and checks', () => {
    assert.deepEqual(
      lines({ 'up-after': '5', check: ['all=ping,to=1.1.1.1,interval=1', 'dsl=dns,to=9.9.9.9'] }),
      [
        '+ check all=ping,to=1.1.1.1,interval=1,timeout=1.5,fall=3,rise=5,quorum=1',
        '+ check dsl=dns,to=9.9.9.9,interval=2,timeout=1.5,fall=3,rise=5,quorum=1,name=.',
        '- check all=ping,to=1.1.1.1,interval=2,timeout=1.5,fall=3,rise=5,quorum=1',
        '~ up-after 30 -> 5',
      ],
    );
  });

  it('tells apart what a daemon has for as long as it runs', () => {
    const { fixed, lines: all } = between({ mask: '0xff0000', queues: '2', 'on-down': 'none' });
    assert.deepEqual(fixed, ['mask 0x3f000000 -> 0xff0000', 'queues 1 -> 2']);
    assert.ok(all.includes('~ on-down all -> none') && all.includes('~ queues 1 -> 2'), all.join());
  });

  it('names services and their backends', () => {
    const from = {
      ...FROM,
      service: ['web,listen=192.0.2.2:80/tcp'],
      backend: ['web,to=10.0.0.2:80', 'web,to=10.0.0.3:80'],
    };
    const to = { backend: ['web,to=10.0.0.2:80,weight=2', 'web,to=10.0.0.4:80'] };
    assert.deepEqual(between(to, from).lines, [
      '~ backend web/10.0.0.2:80 weight 1 -> 2',
      '+ backend web/10.0.0.4:80',
      '- backend web/10.0.0.3:80',
    ]);
    assert.deepEqual(between({}, from).fixed, []);
    assert.deepEqual(configDifference(parseConfig(FROM), parseConfig(from)).fixed, [
      'backend-mask none -> 0xff00',
      'service-queue none -> 1',
      'services none -> some',
    ]);
  });
});
