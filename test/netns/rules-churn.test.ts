/** What others change all day: the daemon sees it from the kernel, and starts no program where it is not ours. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { addon, namespaces, needs } from '../helpers/requires.js';
import { Machine, type Peer, VARIANTS, wans } from './rules-harness.js';

const PEER = new URL('./churn-peer.js', import.meta.url).pathname;

describe('other people’s changes', needs(namespaces, addon), () => {
  let machine: Machine;
  let peer: Peer;
  const config = { wan: wans([1, 1]) };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.sh(`ip -batch - <<'EOF'
${Array.from({ length: 200 }, (_, i) => `route add 10.100.${i}.0/24 via 192.0.2.1`).join('\n')}
EOF`);
    assert.equal(machine.wanmark('up', config, { env: VARIANTS.nft! }).status, 0);
    peer = await machine.peer([], undefined, PEER);
    assert.equal(await peer.line(), 'ready');
    assert.equal(await peer.ask('settle'), 'settled');
  });
  after(() => machine.stop());

  /** What a quick look says, after all news have been heard. */
  const look = () => peer.ask('look');
  const heard = (count: number) => peer.ask(`heard ${count}`);

  test('are no work: rules in our tables and in others, marks, a rule before our jumps, foreign tables', async () => {
    machine.sh(`iptables -t mangle -I FORWARD -j ACCEPT; iptables -t mangle -N OTHER; iptables -A FORWARD -j ACCEPT
      iptables -t nat -A POSTROUTING -o lan0 -j RETURN; ip route add 10.1.0.0/16 dev lan0 table 77
      ip rule add fwmark 0x1000/0x1000 lookup 77 priority 99`);
    assert.equal(await look(), 'nothing to do');
    assert.equal(await heard(2), 'rule route:77:10.1.0.0/16');
  });

  test('of a route with many others go into the set at once', async () => {
    machine.sh('ip route add 10.9.9.0/24 via 192.0.2.1; ip route del 10.100.0.0/24');
    assert.equal(await look(), 'nothing to do');
    assert.equal(await heard(2), 'route:254:10.9.9.0/24 route:254:10.100.0.0/24');
    assert.equal(await peer.ask('set'), '10.9.8.0/24 false, 10.9.9.0/24 true, 10.100.0.0/24 false');
    assert.equal(machine.wanmark('refresh', undefined, { env: VARIANTS.nft! }).stderr, '');
  });

  test('of a route that comes is in the set as soon as it is heard of, without a look', async () => {
    assert.equal(await peer.ask('hear'), 'hears');
    machine.sh('ip route add throw 10.9.8.0/24; ip route add 10.100.0.0/24 via 192.0.2.1');
    assert.equal(await heard(2), 'route:254:10.9.8.0/24 route:254:10.100.0.0/24');
    assert.equal(await peer.ask('set'), '10.9.8.0/24 false, 10.9.9.0/24 true, 10.100.0.0/24 true');
    machine.sh('ip route del 10.9.9.0/24; ip route add 10.100.0.0/21 via 192.0.2.1');
    assert.equal(await heard(2), 'route:254:10.9.9.0/24 route:254:10.100.0.0/21');
    assert.equal(await look(), 'nothing to do');
    assert.equal(await peer.ask('set'), '10.9.8.0/24 false, 10.9.9.0/24 false, 10.100.0.0/24 false');
    assert.equal(machine.wanmark('refresh', undefined, { env: VARIANTS.nft! }).stderr, '');
    machine.sh('ip route del 10.100.0.0/21');
    assert.equal(await look(), 'nothing to do');
  });

  for (const [what, breaks, mends] of [
    ['a rule', 'iptables -t mangle -F WANMARK_SAVE', ''],
    ['a jump', 'iptables -t nat -D PREROUTING -m comment --comment wanmark -j WANMARK', ''],
    ['an ip rule', 'ip rule del priority 20001', ''],
    ['a route', 'ip -6 route flush table 1002', ''],
    ['a setting', 'echo 0 >/proc/sys/net/ipv4/conf/w1/src_valid_mark', ''],
    [
      'a gateway',
      'ip addr flush dev w2',
      'ip addr add 192.0.2.2/24 dev w2; ip addr add 2001:db8:2::2/64 dev w2',
    ],
  ] as const) {
    test(`that take ${what} of ours are work for a whole pass`, async () => {
      machine.sh(breaks);
      assert.equal(await look(), 'something to do');
      machine.sh(mends);
      assert.equal(machine.wanmark('refresh', undefined, { env: VARIANTS.nft! }).status, 0);
      assert.equal(await peer.ask('settle'), 'settled');
      assert.equal(await look(), 'nothing to do');
    });
  }
});
