import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { upSummary } from '#wanmark/cli/up-summary.js';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { targetId } from '#wanmark/core/target.js';

const links = {
  gateway: (device: string) => ({ eth2: '198.51.100.1', ppp0: 'dev' })[device],
};
const lines = (raw: RawConfig, unusable: ReadonlySet<ReturnType<typeof targetId>> = new Set()) =>
  upSummary(parseConfig(raw), links, unusable).trimEnd().split('\n');

describe('the summary of a first up', () => {
  it('has a line for each WAN: gateways as they are now, weight, tier, NAT', () => {
    const wan = [
      'fibre,dev=eth1,via=192.0.2.1,via6=fe80::1,weight=5',
      'dsl,dev=eth2,via=auto,nat=none,tier=2',
      'lte,dev=wwan0,via=auto',
      'ppp,dev=ppp0,via=auto,nat=192.0.2.9',
      'tun,dev=tun0,via=dev,via6=dev,nat=none,nat6=masquerade',
    ];
    assert.deepEqual(lines({ wan }, new Set([targetId('lte', 4)])), [
      'up: 5 WANs; the kernel chooses until a daemon runs',
      '  fibre: eth1 via 192.0.2.1 and fe80::1, weight 5, masquerade',
      '  dsl: eth2 via 198.51.100.1, weight 1, tier 2, no NAT',
      '  lte: wwan0 via auto (IPv4: none now), weight 1, masquerade, not usable now: IPv4',
      '  ppp: ppp0, weight 1, NAT to 192.0.2.9',
      '  tun: tun0, weight 1, IPv4 no NAT, IPv6 masquerade',
      "next: 'wanmark run' with the same options is the daemon",
      "      'wanmark doctor' looks for what is wrong",
    ]);
  });

  it('names services, rules, and no daemon where none is needed', () => {
    const raw = {
      wan: ['fibre,dev=eth1', 'dsl,dev=eth2'],
      policy: ['video,use=dsl'],
      rule: ['video,proto=tcp,dport=443'],
      service: ['web,listen=192.0.2.1:80/tcp'],
      backend: ['web,to=10.0.0.2', 'web,to=10.0.0.3'],
      engine: 'kernel',
    };
    const said = lines(raw);
    assert.equal(said[0], 'up: 2 WANs, 1 service, 1 rule; the kernel chooses');
    assert.ok(said.includes('  web: 192.0.2.1:80/tcp to 2 servers'), said.join('\n'));
    assert.equal(said.at(-1), "next: 'wanmark doctor' looks for what is wrong");
    assert.ok(said.every((line) => !line.includes('wanmark run')));
  });
});
