import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { namedPrograms } from '#wanmark/system/firewall.js';
import { countingAfter, readRuleCounts } from '#wanmark/system/rule-counters.js';

const { policies } = parseConfig({
  wan: ['fibre,dev=w1,via=192.0.2.1', 'dsl,dev=w2,via=198.51.100.1'],
  rule: ['dsl,proto=tcp,dport=22', 'fibre,from=10.9.0.0/24', 'direct,proto=gre'],
});
const installed = {
  firewall: { programs: namedPrograms(), variant: 'nft' as const, ipsec: undefined },
  counting: new Map([
    ['4 WANMARK_POLICY', 100],
    ['4 WANMARK_OWN', 130],
    ['6 WANMARK_POLICY', 120],
  ]),
};
const SAVED = {
  'iptables-save': `*mangle
:WANMARK_POLICY - [0:0]
[3:180] -A WANMARK_POLICY -p tcp -m tcp --dport 22 -m comment --comment "rule 1" -g WANMARK_TO_dsl
[5:300] -A WANMARK_POLICY -s 10.9.0.0/24 -m comment --comment "rule 2" -g WANMARK_TO_fibre
[9:900] -A WANMARK_POLICY -m comment --comment "somebody's rule 2" -j LOG
[2:120] -A WANMARK_OWN -p tcp -m tcp --dport 22 -m comment --comment "rule 1" -g WANMARK_BY_dsl
[1:60] -A WANMARK_OWN4 -p gre -m comment --comment "rule 3" -j RETURN
COMMIT
`,
  'ip6tables-save':
    '[4:400] -A WANMARK_POLICY -p tcp -m tcp --dport 22 -m comment --comment "rule 1" -g WANMARK_TO_dsl\n',
};

describe('what rules took', () => {
  it('is summed over chains and families, since the last of them was written', async () => {
    const run = async ([program]: readonly string[]) => ({
      ...{ code: 0, stderr: '', signal: null },
      stdout: SAVED[program as keyof typeof SAVED],
    });
    assert.deepEqual(await readRuleCounts({ policies }, installed, run), [
      { connections: 9, packets: 9, bytes: 700, since: 130 },
      { connections: 5, packets: 5, bytes: 300, since: 100 },
      // Its chain is another version's.
      { connections: 1, packets: 1, bytes: 60, since: null },
    ]);
    const none = await readRuleCounts({ policies }, installed, async () => ({
      ...{ code: 0, stderr: '', signal: null, stdout: '' },
    }));
    assert.deepEqual(none[0], { connections: 0, packets: 0, bytes: 0, since: null });
  });

  it('is counted from the time at which a chain was written, and goes on in one that was not', () => {
    const want = new Map([
      ['4.mangle', [':WANMARK_POLICY - [0:0]', rule('WANMARK_POLICY', 1), rule('WANMARK_OWN', 1)]],
      ['6.mangle', [rule('WANMARK_POLICY', 1), '-A WANMARK_NEW -j RETURN', rule('WANMARK_OWN', 2)]],
    ]);
    const steps = new Map([
      [
        '4.tables',
        [
          '*nat',
          ':WANMARK_OWN - [0:0]',
          'COMMIT',
          '*mangle',
          ':WANMARK_POLICY - [0:0]',
          '-F WANMARK_OLD',
          'COMMIT',
        ],
      ],
      ['6.tables', ['*nat', ':WANMARK_POLICY - [0:0]', 'COMMIT']],
    ]);
    const after = countingAfter(new Map([...installed.counting, ['6 WANMARK_OLD', 1]]), steps, want, 200);
    assert.deepEqual(
      [...after],
      [
        ['4 WANMARK_POLICY', 200],
        ['4 WANMARK_OWN', 130],
        ['6 WANMARK_POLICY', 120],
      ],
    );
  });
});

function rule(chain: string, number: number): string {
  return `-A ${chain} -p 6 -m comment --comment "rule ${number}" -g WANMARK_TO_dsl`;
}
