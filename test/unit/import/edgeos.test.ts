import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromVyos } from '../../helpers/imports.js';

const APPLIED = 'interfaces ethernet eth1 firewall in modify M';
const DEFAULT_CHECK = { check: 'ping', to: 'ping.ubnt.com', family: 4, interval: 10, fall: 3, rise: 3 };

/** A group G of eth0 and eth2, and other lines. */
function group(...lines: readonly string[]) {
  const own = ['eth0', 'eth2'].map((name) => `load-balance group G interface ${name}`);
  return fromVyos([...own, ...lines].map((line) => `set ${line}`).join('\n'));
}

/** Its rules, with those of a ruleset M for eth1; without the one of the router's own connections. */
const rules = (...lines: readonly string[]) =>
  group(
    'load-balance group G lb-local disable',
    APPLIED,
    ...lines.map((line) => `firewall modify M rule ${line}`),
  );

describe('load-balance group', () => {
  it('has interfaces, which the system pings in its own way, and a policy', () => {
    const { wan, check, policy, notes, lost } = group();
    assert.deepEqual(wan, [
      { name: 'eth0', dev: 'eth0', via: 'auto' },
      { name: 'eth2', dev: 'eth2', via: 'auto' },
    ]);
    assert.deepEqual(check, [
      { wan: 'eth0', ...DEFAULT_CHECK },
      { wan: 'eth2', ...DEFAULT_CHECK },
    ]);
    assert.deepEqual(policy, [{ name: 'G', use: ['eth0', 'eth2'], none: 'main' }]);
    assert.deepEqual([notes, lost], [[], []]);
  });

  for (const [name, lines, use] of [
    [
      'weights',
      ['interface eth0 weight 70', 'interface eth2 weight 30'],
      [
        { wan: 'eth0', weight: 70 },
        { wan: 'eth2', weight: 30 },
      ],
    ],
    ['failover', ['interface eth2 failover-only'], ['eth0', { wan: 'eth2', tier: 2 }]],
    [
      'an order of backups',
      [
        'interface eth0 failover-only',
        'interface eth0 failover-priority 10',
        'interface eth2 failover-only',
        'interface eth3',
      ],
      [{ wan: 'eth0', tier: 3 }, { wan: 'eth2', tier: 2 }, 'eth3'],
    ],
  ] as const) {
    it(`has ${name}`, () => {
      assert.deepEqual(group(...lines.map((line) => `load-balance group G ${line}`)).policy[0]!.use, use);
    });
  }

  it('notes in which order it takes backups that have one', () => {
    const priorities = (...lines: readonly string[]) =>
      group(...lines.map((line) => `load-balance group G interface ${line}`)).notes;
    const backups = ['eth0 failover-only', 'eth2 failover-only', 'eth3'];
    assert.deepEqual(priorities(...backups), []);
    assert.deepEqual(priorities(...backups, 'eth3 failover-priority 7'), []);
    assert.match(
      priorities(...backups, 'eth2 failover-priority 10').join(),
      /^6: the backup with the highest failover-priority comes first here/,
    );
  });

  it('has a test of its own', () => {
    const test = 'load-balance group G interface eth0 route-test';
    const ping = group(
      `${test} type ping target 192.0.2.1`,
      `${test} interval 5`,
      `${test} count failure 2`,
      `${test} count success 7`,
    );
    assert.deepEqual(ping.check[0], {
      wan: 'eth0',
      check: 'ping',
      to: '192.0.2.1',
      interval: 5,
      fall: 2,
      rise: 7,
    });
    const script = group(`${test} type script /config/scripts/x.sh`, `${test} initial-delay 60`);
    assert.deepEqual(script.check[0], {
      wan: 'eth0',
      check: 'script',
      to: '/config/scripts/x.sh',
      interval: 10,
      fall: 3,
      rise: 3,
    });
    assert.equal(script.notes.length, 2);
    assert.deepEqual(script.lost, []);
  });

  it('is sticky by the source, alone or with the destination', () => {
    const sticky = (...fields: readonly string[]) =>
      group(...fields.map((field) => `load-balance group G sticky ${field} enable`));
    assert.deepEqual(sticky('source-addr').policy[0]!.sticky, { by: 'src', for: '10m' });
    assert.deepEqual(sticky('dest-addr', 'source-addr').policy[0]!.sticky, { by: 'src+dst', for: '10m' });
    for (const fields of [['dest-addr'], ['source-addr', 'dest-port']])
      assert.match(sticky(...fields).lost.join(), /^3: sticky is by the source address/);
  });

  it("has the router's own connections, unless it is told not to", () => {
    const local = (...lines: readonly string[]) =>
      group(...lines.map((line) => `load-balance group G ${line}`)).rule[0];
    assert.deepEqual(local(), { own: true, policy: 'G' });
    assert.deepEqual(local('lb-local enable', 'lb-local-metric-change disable'), { own: true, policy: 'G' });
    assert.deepEqual(group('load-balance group G lb-local disable').options, { own: 'off' });
    assert.deepEqual(local('exclude-local-dns enable'), {
      own: true,
      proto: ['tcp', 'udp'],
      dport: 53,
      policy: 'direct',
    });
  });

  it('cuts connections when an interface comes back, if it is told to', () => {
    assert.deepEqual(group('load-balance group G flush-on-active enable').options, { 'on-up': 'all' });
    assert.deepEqual(group('load-balance group G flush-on-active disable').options, {});
  });

  for (const line of [
    'interface eth0 route table 5',
    'interface eth0 colour red',
    'colour red',
    'interface eth0 route-test colour red',
  ])
    it(`cannot say ${line}`, () =>
      assert.match(group(`load-balance group G ${line}`).lost.join(), /^3: .*(left out|another one)$/));

  it('cannot say its transition script', () => {
    assert.match(
      group('load-balance group G transition-script /x').lost.join(),
      /^3: the transition script gets arguments/,
    );
  });

  for (const [name, lines, expected] of [
    ['a group', ['1 action modify', '1 modify lb-group G'], { policy: 'G' }],
    [
      'the main table',
      ['1 modify table main', '1 destination address 10.0.0.0/8'],
      { to: '10.0.0.0/8', policy: 'direct' },
    ],
    ['nothing but acceptance', ['1 action accept', '1 protocol udp'], { proto: 'udp', policy: 'direct' }],
    ['the end', ['1 action drop', '1 source address 10.0.0.5'], { from: '10.0.0.5', policy: 'blackhole' }],
    [
      'a group by MAC address',
      ['1 modify lb-group G', '1 source mac-address 02:00:5e:10:00:01'],
      { mac: '02:00:5e:10:00:01', policy: 'G' },
    ],
  ] as const) {
    it(`has a rule that leads to ${name}`, () => {
      const { rule, lost } = rules(...lines);
      assert.deepEqual(rule, [{ in: 'eth1', ...expected }, { policy: 'direct' }]);
      assert.deepEqual(lost, []);
    });
  }

  it('has the devices that a ruleset is applied to', () => {
    const { rule } = rules('1 modify lb-group G', '2 modify lb-group G', '2 disable');
    assert.equal(rule.length, 2);
    const { rule: more } = fromVyos(
      `set load-balance group G interface eth0
set firewall modify M rule 1 modify lb-group G
set interfaces switch switch0 vif 20 firewall in modify M
set interfaces ethernet eth3 pppoe 1 firewall in modify M`,
    );
    assert.deepEqual(more[1], { in: ['switch0.20', 'pppoe1'], policy: 'G' });
  });

  it('notes a ruleset that is applied to nothing, and a group that there is not', () => {
    assert.match(
      group('firewall modify N rule 1 modify lb-group G').notes.join(),
      /^3: firewall modify N is applied to no device/,
    );
    assert.match(
      rules('1 modify lb-group H').notes.join(),
      /^5: there is no group H, so rule 1 of M does nothing/,
    );
  });

  it('cannot say some rules, which are left out', () => {
    for (const lines of [
      ['1 modify table 5'],
      ['1 modify mark 7'],
      ['1 modify lb-group G', '1 recent count 5'],
    ]) {
      const { rule, lost } = rules(...lines);
      assert.equal(rule.length, 1);
      assert.equal(lost.length, 1);
    }
  });
});
