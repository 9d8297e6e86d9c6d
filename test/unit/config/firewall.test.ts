import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
});
