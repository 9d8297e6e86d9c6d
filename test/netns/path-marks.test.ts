import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { withLab } from '../helpers/lab.js';
import { markOf, WAN_MASK } from '../helpers/marks.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { conntrack, packets } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

/** Marks the packet before our rules and the connection after them, in bits that are not ours. */
async function foreignMarks(lab: Lab): Promise<void> {
  await lab.router.sh(`
    iptables -t raw -A PREROUTING -i lan0 -j MARK --set-xmark 0x5a0000a5/0xffff00ff
    iptables -t mangle -A FORWARD -i lan0 -j CONNMARK --set-xmark 0xc3000000/0xff000000
    iptables -t mangle -A FORWARD -i lan0 -m mark --mark 0x5a0000a5/0xffff00ff
    iptables -t mangle -A FORWARD -i lan0`);
}

describe('the mark', needs(nfqueue, addon, conntrackTable), () => {
  it('leaves foreign bits in packet and connection as they are', async () => {
    const mask = ['--mask', '0xff00'];
    await withLab({ wans: 3, ipv6: false, up: mask, run: mask }, async ({ lab }) => {
      await foreignMarks(lab);
      assert.deepEqual(tally(await lab.connect({ count: 30 })), { wan1: 10, wan2: 10, wan3: 10 });
      const kept = await packets(lab.router, 'mangle', 'FORWARD', /-m mark/);
      assert.ok(kept > 0);
      assert.equal(kept, await packets(lab.router, 'mangle', 'FORWARD', /-i lan0$/), 'every packet');
      const marks = (await conntrack(lab.router)).map(({ mark }) => mark >>> 0);
      assert.deepEqual([...new Set(marks)].sort(), [0xc3000100, 0xc3000200, 0xc3000300]);
    });
  });

  it('of another program in our bits is respected: nothing is chosen or saved', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab, daemon }) => {
      await lab.router.sh(
        `iptables -t raw -A PREROUTING -i lan0 -j MARK --set-xmark ${WAN_MASK}/${WAN_MASK}`,
      );
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 9 }, 'by the main table');
      await daemon.stop();
      assert.deepEqual(daemon.decisions, []);
    });
  });

  it('is counted in packets and bytes, one rule for each WAN', async () => {
    await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab }) => {
      await lab.connect({ count: 30, proto: 'udp' });
      const counters = await lab.router.counters('mangle', 'WANMARK_COUNT');
      // Each connection has one datagram each way, and both pass the router's POSTROUTING.
      assert.deepEqual(
        counters.map((rule) => rule.packets),
        [20, 20, 20],
      );
      assert.deepEqual(
        counters.map(({ rule }) => /--mark (\S+).*"wanmark (\w+)"/.exec(rule)?.slice(1)),
        [
          [markOf(1), 'wan1'],
          [markOf(2), 'wan2'],
          [markOf(3), 'wan3'],
        ],
      );
      assert.ok(counters.every(({ bytes }) => bytes > 20 * 28));
    });
  });
});
