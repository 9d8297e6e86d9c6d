import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { deviceCounts, ruleCounts } from '#wanmark/system/wan-counters.js';

const { wans } = parseConfig({
  wan: ['fibre,dev=eth1,via=192.0.2.1', 'a,dev=port0,via=198.51.100.1', 'b,dev=port0,via=198.51.100.2'],
});
const FIREWALL = { firewall: { programs: { 4: 'iptables', 6: 'ip6tables' } } } as Parameters<
  typeof ruleCounts
>[1];

const SAVED = `*mangle
:WANMARK_COUNT - [0:0]
[7:700] -A WANMARK_COUNT -m mark --mark 0x1000000/0x3f000000 -m comment --comment "wanmark fibre"
[1:100] -A WANMARK_COUNT -o port0 -m mark --mark 0x2000000/0x3f000000 -m comment --comment "wanmark a out"
[4:500] -A WANMARK_COUNT -m mark --mark 0x2000000/0x3f000000 -m comment --comment "wanmark a"
[1:60] -A WANMARK_COUNT -m mark --mark 0x2000000/0x3f000000 -m conntrack --ctstate NEW -j LOG --log-prefix "wanmark a mark=2 "
[3:900] -A WANMARK_COUNT -o port0 -m mark --mark 0x3000000/0x3f000000 -m comment --comment "wanmark b out"
[3:899] -A WANMARK_COUNT -m mark --mark 0x3000000/0x3f000000 -m comment --comment "wanmark b"
COMMIT
`;

describe('the bytes of WANs', () => {
  it('are those of a device that one WAN has alone', () => {
    const asked: string[] = [];
    const counts = deviceCounts(wans, (device) => {
      asked.push(device);
      return { in: 5, out: 6 };
    });
    assert.deepEqual([...counts], [['fibre', { in: 5, out: 6 }]]);
    assert.deepEqual(asked, ['eth1']);
    assert.deepEqual([...deviceCounts(wans, () => undefined)], []);
  });

  it('are those of the rules, of both families, where WANs share a device', async () => {
    const asked: string[] = [];
    const counts = await ruleCounts(wans, FIREWALL, async (argv) => {
      asked.push(argv.join(' '));
      return { code: argv[0] === 'iptables-save' ? 0 : 1, stdout: SAVED, stderr: '' };
    });
    assert.deepEqual(asked, ['iptables-save -c -t mangle', 'ip6tables-save -c -t mangle']);
    assert.deepEqual(
      [...counts],
      [
        ['a', { in: 400, out: 100 }],
        ['b', { in: 0, out: 900 }],
      ],
    );
    const both = await ruleCounts(wans, FIREWALL, async () => ({ code: 0, stdout: SAVED, stderr: '' }));
    assert.deepEqual(both.get('a'), { in: 800, out: 200 });
  });

  it('start no program where each WAN has a device of its own', async () => {
    const run = () => assert.fail('a program was started');
    assert.deepEqual([...(await ruleCounts(wans.slice(0, 1), FIREWALL, run))], []);
  });

  it('are unknown where the rules are not there', async () => {
    const counts = await ruleCounts(wans, FIREWALL, async () => ({
      code: 0,
      stdout: '*mangle\nCOMMIT\n',
      stderr: '',
    }));
    assert.deepEqual([...counts], []);
  });
});
