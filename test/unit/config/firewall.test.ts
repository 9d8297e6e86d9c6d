import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { withFirewall } from '#wanmark/config/firewall.js';

describe('--backend with a word alone', () => {
  it('is the firewall, and servers stay what they are', () => {
    const web = 'web,to=10.0.0.2';
    const cases: [object, object][] = [
      [{ backend: 'nft' }, { firewall: 'nft' }],
      [{ backend: ['auto'] }, { firewall: 'auto' }],
      [{ backend: [web, 'iptables'] }, { backend: [web], firewall: 'iptables' }],
      [{ backend: [web] }, { backend: [web] }],
      [{ backend: { service: 'nft', to: '10.0.0.2' } }, { backend: { service: 'nft', to: '10.0.0.2' } }],
      [{ backend: ['nft', 'nft'] }, { firewall: 'nft' }],
      [{ backend: 'nft', firewall: 'nft' }, { firewall: 'nft' }],
      [{ backend: 'nft', firewall: 'auto' }, { firewall: ['auto', 'nft'] }],
      [{ backend: ['nft,to=10.0.0.2'] }, { backend: ['nft,to=10.0.0.2'] }],
    ];
    for (const [given, read] of cases) assert.deepEqual(withFirewall(given as never), read);
  });

  it('is told from a server without its address', () => {
    const wan = ['a,dev=eth1'];
    const services = { service: ['web,listen=192.0.2.1:80/tcp'], backend: ['web,to=10.0.0.2', 'nftables'] };
    const message =
      'unknown backend "nftables"; use one of iptables, nft, auto, or for a server SERVICE,to=ADDRESS';
    assert.throws(() => parseConfig({ wan, backend: ['nftables'] }), { message });
    assert.throws(() => parseConfig({ wan, ...services }), { message });
  });
});
