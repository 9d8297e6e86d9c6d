import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MarkField } from '#wanmark/core/mark.js';
import { foreignMarks } from '#wanmark/system/foreign-marks.js';
import type { Run } from '#wanmark/system/run.js';

const FIELD = new MarkField(0x3f000000);
const LOW = new MarkField(0xff);
const TARGETS = [
  { name: 'WAN a', mark: 1 },
  { name: 'WAN b', mark: 2 },
];

/** A machine whose programs say this; other programs are not installed. */
const saying =
  (said: Record<string, string>): Run =>
  async (argv) => {
    const stdout = said[argv.join(' ')];
    return { code: stdout === undefined ? 127 : 0, stdout: stdout ?? '', stderr: '' };
  };
const lines = (field: MarkField, said: Record<string, string>, option = 'mask') =>
  foreignMarks([{ field, option, targets: TARGETS }], saying(said), () => true);
const saved = (field: MarkField, table: string, rule: string) =>
  lines(field, { 'iptables-save': `*${table}\n:PREROUTING ACCEPT [0:0]\n${rule}\nCOMMIT\n` });
const nft = (field: MarkField, head: string, rule: string) =>
  lines(field, {
    'nft -s -t list ruleset': `table inet x {\n\tchain c {\n\t\t${head}\n\t\t${rule}\n\t}\n}\n`,
  });
const PRE = 'type filter hook prerouting priority mangle + 1; policy accept;';
const OUT = 'type filter hook output priority -151; policy accept;';
const POST = 'type filter hook postrouting priority filter + 10; policy accept;';

describe('rules of others that write our bits', () => {
  const WHOLE = '-A PREROUTING -j MARK --set-xmark 0x64/0xffffffff';

  it('are named with their place and with what to do', async () => {
    assert.deepEqual(await saved(FIELD, 'mangle', WHOLE), [
      'iptables mangle PREROUTING (-j MARK --set-xmark 0x64/0xffffffff) writes the whole packet mark, also those of --mask ' +
        '0x3f000000, so what it meets loses its number; let it write 0x64 under the mask 0xc0ffffff',
    ]);
  });

  const harmful: [string, Promise<readonly string[]>][] = [
    ['a number in our bits', saved(LOW, 'raw', '-A PREROUTING -j MARK --set-xmark 0x64/0xff')],
    [
      'TPROXY',
      saved(LOW, 'mangle', '-A P -p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff'),
    ],
    [
      'a connection’s whole mark',
      saved(FIELD, 'mangle', '-A POSTROUTING -j CONNMARK --set-xmark 0x500/0xffffffff'),
    ],
    ['old and-mark', saved(FIELD, 'mangle', '-A FORWARD -j MARK --and-mark 0xff')],
    ['nft, the packet’s whole mark', nft(FIELD, PRE, 'meta mark set 0x00000064')],
    ['nft, a map', nft(FIELD, PRE, 'meta mark set tcp dport map { 80 : 0x00000001 } return')],
    [
      'nft, the DSCP in the connection',
      nft(LOW, POST, 'oifname "a" ct mark set ct mark & 0xffffff88 | 0x00000088 counter'),
    ],
    [
      'CONNMARK --save-mark in front of ours',
      saved(
        FIELD,
        'mangle',
        '-A PREROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff\n-A PREROUTING -j WANMARK',
      ),
    ],
    [
      'nft, a copy to the connection before ours',
      nft(FIELD, PRE.replace('+ 1', '- 1'), 'ct mark set meta mark'),
    ],
    ['nft, the same at our priority', nft(FIELD, PRE.replace(' + 1', ''), 'ct mark set meta mark')],
    ['nft, a copy back of what has its way', nft(FIELD, OUT, 'meta mark set ct mark')],
    ['nft, another mark cut to some bits', nft(FIELD, PRE, 'meta mark set ct mark & 0x000000ff')],
  ];
  for (const [what, said] of harmful) {
    it(`are seen: ${what}`, async () => assert.equal((await said).length, 1));
  }

  const harmless: [string, Promise<readonly string[]>][] = [
    ['other bits', saved(FIELD, 'mangle', '-A PREROUTING -j MARK --set-xmark 0x40000/0xff0000')],
    ['kube-proxy', saved(FIELD, 'nat', '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000')],
    ['before we look', saved(FIELD, 'raw', WHOLE)],
    ['after the route', saved(FIELD, 'mangle', '-A POSTROUTING -j MARK --set-xmark 0x64/0xffffffff')],
    ['ours', saved(FIELD, 'mangle', '-A WANMARK_SAVE -j CONNMARK --set-xmark 0x1000000/0x3f000000')],
    ['nft, before we look', nft(FIELD, PRE.replace('+ 1', '- 10'), 'meta mark set 0x00000064')],
    ['nft, other bits', nft(FIELD, PRE, 'meta mark set meta mark & 0xff04ffff | 0x00040000 accept')],
    [
      'CONNMARK --save-mark behind ours',
      saved(
        FIELD,
        'mangle',
        '-A PREROUTING -j WANMARK\n-A PREROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff',
      ),
    ],
    [
      'CONNMARK --save-mark of other bits',
      saved(
        FIELD,
        'mangle',
        '-A PREROUTING -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff\n-A PREROUTING -j WANMARK',
      ),
    ],
    ['nft, a copy to the connection behind ours', nft(FIELD, PRE, 'ct mark set meta mark')],
    [
      'nft, a copy back that finds the way again',
      nft(FIELD, OUT.replace('filter', 'route'), 'meta mark set ct mark'),
    ],
    ['nft, one mark as the other', nft(FIELD, PRE, 'meta mark set ct mark')],
    [
      'nft, our own table',
      lines(FIELD, {
        'nft -s -t list ruleset': `table inet wanmark {\n\tchain mark {\n\t\tmeta mark set 0x01000000\n\t}\n}\n`,
      }),
    ],
    [
      'nft, a table of iptables',
      lines(FIELD, {
        'nft -s -t list ruleset': `table ip mangle {\n\tchain FORWARD {\n\t\tcounter ct mark set 0x500\n\t}\n}\n`,
      }),
    ],
  ];
  for (const [what, said] of harmless) {
    it(`are not named: ${what}`, async () => assert.deepEqual(await said, []));
  }

  it('are not named where they mark a packet for an ip rule of theirs, unless with the number of a WAN', async () => {
    const marking = (field: MarkField, mark: string) =>
      lines(field, {
        'iptables-save': `*mangle\n-A PREROUTING -j MARK --set-xmark ${mark}/0xffffffff\n`,
        'ip -N -4 rule show': `32765:\tfrom all fwmark ${mark} lookup 100\n`,
      });
    assert.deepEqual(await marking(FIELD, '0x64'), []);
    assert.deepEqual(await marking(LOW, '0x64'), [], 'a number that is nobody’s is left alone');
    assert.equal((await marking(LOW, '0x2')).length, 1);
  });

  it('are named five times at most', async () => {
    const rules = Array.from({ length: 8 }, (_, i) => `-A FORWARD -j CONNMARK --set-xmark 0x${i}/0xffffffff`);
    const said = await saved(FIELD, 'mangle', [...rules, ...rules].join('\n'));
    assert.equal(said.length, 6);
    assert.equal(said.at(-1), '3 more of them');
  });
});

describe('ip rules of others', () => {
  const rules = (field: MarkField, rule: string, option = 'backend-mask') =>
    lines(field, { 'ip -N -4 rule show': `32765:\t${rule}\n` }, option);

  it('that match the mark of a backend are named', async () => {
    assert.deepEqual(await rules(LOW, 'from all fwmark 0x2 lookup 100'), [
      'ip rule 32765 (from all fwmark 0x2 lookup 100) also matches 0x2/0xff, the mark of WAN b; give it or wanmark other ' +
        'bits (--backend-mask), docs/marks.md says which are free',
    ]);
    assert.equal((await rules(LOW, 'from all fwmark 0/0xfc lookup 100')).length, 2, 'both lack these bits');
  });

  it('that match the mark of a WAN are left to the plan, which names them', async () => {
    assert.deepEqual(await rules(LOW, 'from all fwmark 0x2 lookup 100', 'mask'), []);
  });

  for (const rule of [
    'from all fwmark 0x64 lookup 100',
    'from all fwmark 0x200/0xff00 lookup 100',
    'not from all fwmark 0x2 lookup 100',
    'from all fwmark 0x2/0xff lookup 1002 proto 119',
    'from all lookup 254',
  ]) {
    it(`that do not are not: ${rule}`, async () => assert.deepEqual(await rules(LOW, rule), []));
  }
});
