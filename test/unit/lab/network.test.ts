import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wanOfSource } from '#wanmark/lab/network.js';
import { planNetwork } from '#wanmark/lab/plan.js';
import { quote } from '#wanmark/lab/terminal.js';

test('no address is given twice, up to the largest network', () => {
  for (const sharedPort of [false, true]) {
    const network = planNetwork({
      wans: 32,
      sharedPort,
      clients: 10,
      clientAddresses: 20,
      lanServer: true,
      vpn: true,
    });
    const all = network.hosts.flatMap(({ addresses }) => addresses.map(({ address }) => address));
    assert.equal(new Set(all).size, all.length);
    const known = network.wans.flatMap(({ sources }) => sources);
    assert.equal(new Set(known).size, 64);
  }
});

test('a WAN is known by the source that the server sees: the router, or the gateway where it does the NAT', () => {
  const { wans } = planNetwork();
  assert.equal(wanOfSource(wans, '198.51.100.10')?.name, 'wan2');
  assert.equal(wanOfSource(wans, '2001:db8:a03::2')?.name, 'wan3');
  assert.equal(wanOfSource(wans, '10.0.0.11'), undefined);
  const shared = planNetwork({ sharedPort: true }).wans;
  assert.equal(wanOfSource(shared, '203.0.113.102')?.name, 'wan2');
  assert.deepEqual(
    shared.map(({ dev, nat }) => `${dev} ${nat}`),
    ['wan0 none', 'wan0 none', 'wan0 none'],
  );
});

test('without IPv6 no address or route of the plan is IPv6', () => {
  const { hosts, wans } = planNetwork({ ipv6: false, vpn: true, sharedPort: true });
  assert.doesNotMatch(JSON.stringify([hosts.map(({ addresses, routes }) => [addresses, routes])]), /2001/);
  assert.ok(wans.every(({ via6, sources }) => via6 === undefined && sources.length === 1));
});

test('numbers out of range are refused', () => {
  assert.throws(
    () => planNetwork({ wans: 0 }),
    /the number of WANs must be a whole number from 1 to 32, not 0/,
  );
  assert.throws(() => planNetwork({ weights: [1, 2], wans: 3 }), /2 weights do not fit 3 WANs/);
  assert.throws(() => planNetwork({ clients: 11 }), /number of clients/);
});

test('a command is quoted for a shell only where it must be', () => {
  assert.equal(quote(['ip', 'netns', 'exec', "it's", 'a b']), "ip netns exec 'it'\\''s' 'a b'");
});
