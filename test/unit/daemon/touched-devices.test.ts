import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TouchedDevices } from '#wanmark/daemon/touched-devices.js';

const ROUTE = 'ip -4 route default via 192.0.2.1 dev wan2 table 1002';

describe('TouchedDevices', () => {
  for (const [what, news] of [
    ['a device', '[LINK]101: wan2@if103: <BROADCAST,MULTICAST> mtu 1500 \n    link/ether 02:00 brd ff:ff\n'],
    ['one that is gone', '[LINK]Deleted 101: wan2: <BROADCAST> mtu 1500 \n'],
    ['an address', '[ADDR]101: wan2    inet 192.0.2.2/24 scope global wan2\n'],
    ['one that is gone, too', '[ADDR]Deleted 101: wan2    inet 192.0.2.2/24 scope global wan2\n'],
  ]) {
    it(`explains what is missing by news of ${what}, from then on`, () => {
      const touched = new TouchedDevices();
      // Pieces end anywhere.
      touched.hear(news!.slice(0, 9), 40);
      touched.hear(news!.slice(9), 50);
      assert.deepEqual([touched.explains(ROUTE, 50), touched.explains(ROUTE, 51)], [true, false]);
      assert.equal(touched.explains('sysctl src_valid_mark of wan2', 50), true);
      assert.deepEqual([touched.since(50), touched.since(51)], [true, false]);
    });
  }

  it('explains nothing of another device, of rules, or by news of a route', () => {
    const touched = new TouchedDevices();
    touched.hear('[LINK]102: wan1: <UP>\n[ROUTE]Deleted default via 192.0.2.1 dev wan2 table 1002\n', 50);
    assert.equal(touched.explains(ROUTE, 0), false);
    touched.hear('[LINK]101: wan2: <UP>\n', 50);
    assert.equal(touched.explains('iptables mangle: rules of WANMARK_SAVE', 0), false);
    assert.equal(touched.explains('ip -4 rule priority 20001 fwmark 0x2/0xff lookup 1002', 0), false);
  });
});
