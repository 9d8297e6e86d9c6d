import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TouchedDevices } from '#wanmark/daemon/touched-devices.js';

const ROUTE = 'ip -4 route default via 192.0.2.1 dev wan2 table 1002';

describe('TouchedDevices', () => {
  for (const [what, news] of [
    [
      'was switched off',
      '[LINK]101: wan2@if103: <BROADCAST,MULTICAST> mtu 1500 \n    link/ether 02:00 brd ff:ff\n',
    ],
    ['is gone', '[LINK]Deleted 101: wan2: <BROADCAST,UP> mtu 1500 \n'],
    ['lost an address', '[ADDR]Deleted 101: wan2    inet 192.0.2.2/24 scope global wan2\n'],
  ]) {
    it(`explains what is missing by a device that ${what}, from then on`, () => {
      const touched = new TouchedDevices(['wan1', 'wan2']);
      // Pieces may end anywhere.
      assert.equal(touched.hear(news!.slice(0, 9), 40), false);
      assert.equal(touched.hear(news!.slice(9), 50), true);
      assert.deepEqual([touched.explains(ROUTE, 50), touched.explains(ROUTE, 51)], [true, false]);
      assert.equal(touched.explains('sysctl src_valid_mark of wan2', 50), true);
      assert.deepEqual([touched.since(50), touched.since(51)], [['wan2'], []]);
      for (const other of [
        'ip -4 route default via 192.0.2.9 dev wan1 table 1001',
        'iptables mangle: rules of WANMARK_SAVE',
        'ip -4 rule priority 20001 fwmark 0x2/0xff lookup 1002',
      ]) {
        assert.equal(touched.explains(other, 0), false, other);
      }
    });
  }

  it('ignores news that takes no route away, and devices that do not belong to a WAN', () => {
    const touched = new TouchedDevices(['wan2']);
    for (const news of [
      '[LINK]102: veth7: <BROADCAST> mtu 1500\n',
      '[LINK]101: wan2: <NO-CARRIER,BROADCAST,UP> mtu 1500\n',
      '[ADDR]101: wan2    inet 192.0.2.2/24 scope global wan2\n',
      '[ROUTE]Deleted default via 192.0.2.1 dev wan2 table 1002\n',
    ]) {
      assert.equal(touched.hear(news, 50), false, news);
    }
    assert.equal(touched.explains(ROUTE, 0), false);
  });
});
