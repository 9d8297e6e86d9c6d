import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TouchedDevices } from '#wanmark/daemon/touched-devices.js';
import type { NewsItem } from '#wanmark/system/news.js';

const ROUTE = 'ip -4 route default via 192.0.2.1 dev wan2 table 1002';

describe('TouchedDevices', () => {
  for (const [what, item] of [
    ['was switched off or is gone', { kind: 'link', index: 101, device: 'wan2', lost: true }],
    ['lost an address', { kind: 'address', device: 'wan2', lost: true }],
  ] as const) {
    it(`explains what is missing by a device that ${what}, from then on`, () => {
      const touched = new TouchedDevices(['wan1', 'wan2']);
      assert.equal(touched.hear([item], 50), true);
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
    const news: NewsItem[] = [
      { kind: 'link', index: 102, device: 'veth7', lost: true },
      { kind: 'link', index: 101, device: 'wan2', lost: false },
      { kind: 'address', device: 'wan2', lost: false },
      { kind: 'route', family: 4, table: 1002, dst: 'default', direct: [], leads: true },
      { kind: 'unknown' },
    ];
    assert.equal(touched.hear(news, 50), false);
    assert.equal(touched.explains(ROUTE, 0), false);
  });
});
