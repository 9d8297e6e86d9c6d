import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { masquerade, withLab } from '../helpers/lab.js';
import { namespaces, needs } from '../helpers/requires.js';
import { tally } from '../helpers/traffic.js';

const KINDS = ([4, 6] as const).flatMap((family) =>
  (['tcp', 'udp'] as const).map((proto) => ({ family, proto })),
);

async function tallyAll(lab: Lab, count: number) {
  const results = [];
  for (const from of [lab.client, lab.router]) {
    for (const kind of KINDS) results.push(tally(await lab.connect({ ...kind, from, count })));
  }
  return results;
}

for (const sharedPort of [false, true]) {
  const where = sharedPort ? 'one port' : 'separate ports';
  test(`without wanmark everything leaves by the default route's WAN, ${where}`, needs(namespaces), () =>
    withLab({ sharedPort }, async ({ lab }) => {
      await masquerade(lab);
      for (const result of await tallyAll(lab, 20)) assert.deepEqual(result, { wan1: 20 });
    }),
  );
}

test('the lab tells the WANs apart: statistic rules typed by hand give exact thirds', needs(namespaces), () =>
  withLab({}, async ({ lab }) => {
    await masquerade(lab);
    await lab.router.sh(`
      for tool in iptables ip6tables; do
        $tool -t mangle -N PICK
        $tool -t mangle -A PREROUTING -j CONNMARK --restore-mark
        $tool -t mangle -A PREROUTING -i lan0 -m conntrack --ctstate NEW -m mark --mark 0 -j PICK
        $tool -t mangle -A PREROUTING -j CONNMARK --save-mark
        $tool -t mangle -A PICK -m statistic --mode nth --every 3 --packet 0 -j MARK --set-mark 1
        $tool -t mangle -A PICK -m mark --mark 0 -m statistic --mode nth --every 2 --packet 0 -j MARK --set-mark 2
        $tool -t mangle -A PICK -m mark --mark 0 -j MARK --set-mark 3
      done
      echo 1 >/proc/sys/net/ipv4/conf/all/src_valid_mark
      ip rule add to 10.0.0.0/24 lookup main priority 1
      ip -6 rule add to 2001:db8:10::/64 lookup main priority 1`);
    for (const { number, via, via6, dev } of lab.wans) {
      await lab.router.sh(`
        ip rule add fwmark ${number} lookup ${100 + number} priority 10; ip route add default via ${via} dev ${dev} table ${100 + number}
        ip -6 rule add fwmark ${number} lookup ${100 + number} priority 10
        ip -6 route add default via ${via6} dev ${dev} table ${100 + number}
      `);
    }
    for (const kind of KINDS) {
      const flows = await lab.connect({ ...kind, count: 90 });
      assert.deepEqual(tally(flows), { wan1: 30, wan2: 30, wan3: 30 });
    }
  }),
);

test('a gateway that refuses TCP shows as failed connections, not as fewer', needs(namespaces), () =>
  withLab({ wans: 1, ipv6: false }, async ({ lab }) => {
    await masquerade(lab);
    await lab
      .gateway(lab.wans[0]!)
      .exec(['iptables', '-I', 'FORWARD', '-j', 'REJECT', '--reject-with', 'tcp-reset', '-p', 'tcp']);
    assert.deepEqual(tally(await lab.connect({ count: 3 })), { ECONNREFUSED: 3 });
    assert.deepEqual(tally(await lab.connect({ count: 3, proto: 'udp' })), { wan1: 3 });
  }),
);
