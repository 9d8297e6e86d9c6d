import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '#wanmark/errors.js';
import { Findings } from '#wanmark/import/findings.js';
import type { ConfigNode } from '#wanmark/import/vyos/node.js';
import { readVyos } from '#wanmark/import/vyos/read.js';
import { fromVyos } from '../../helpers/imports.js';

/** All paths of words, with the line of each. */
function leaves(node: ConfigNode, path: readonly string[] = []): string[] {
  if (node.keys.length === 0) return [`${node.lines.at(-1)!.line} ${path.join(' ')}`];
  return node.entries.flatMap(([word, child]) => leaves(child, [...path, word]));
}

const read = (text: string) => leaves(readVyos('config.boot', text, new Findings()));

describe('a configuration of VyOS', () => {
  it('is read with braces', () => {
    const text = `/* first
   second */
load-balancing {
    wan {
        interface-health eth0 {
            nexthop dhcp
            test 10 {
                target 192.0.2.1   /* far */
            }
        }
        rule 10 {
            description "a \\"b\\" {c}"
            exclude
            interface eth0 {
            }
        }
    }
}
// vyos-config-version: "x"
`;
    assert.deepEqual(read(text), [
      '6 load-balancing wan interface-health eth0 nexthop dhcp',
      '8 load-balancing wan interface-health eth0 test 10 target 192.0.2.1',
      '12 load-balancing wan rule 10 description a "b" {c}',
      '13 load-balancing wan rule 10 exclude',
      '14 load-balancing wan rule 10 interface eth0',
    ]);
  });

  it('is read as commands, also copied with the prompt', () => {
    const text = `# set load-balancing wan rule 9 exclude
set load-balancing wan rule 10 description 'a b'
vyos@r1# set load-balancing wan rule 10 exclude
commit
`;
    assert.deepEqual(read(text), [
      '2 load-balancing wan rule 10 description a b',
      '3 load-balancing wan rule 10 exclude',
    ]);
  });

  it('does not follow commands that change it', () => {
    const findings = new Findings();
    readVyos('f', 'set a b\ndelete a b', findings);
    assert.deepEqual(
      findings.all.map(({ at, lost, text }) => [at.line, lost, text]),
      [[2, true, '"delete" is not followed; only "set" commands are read']],
    );
  });

  for (const [name, text, message] of [
    ['a brace that closes nothing', 'a {\n}\n}', /^config\.boot:3: this } closes nothing/],
    ['a brace that is never closed', 'a {\nb {\n}', /^config\.boot:1: this { is never closed/],
    ['words without an end', `set ${'a '.repeat(60)}`, /^config\.boot:1: more than 50 words lead here/],
    ['blocks without an end', 'a {\n'.repeat(60), /^config\.boot:51: more than 50 words lead here/],
    ['nothing of load balancing', 'interfaces {\n}', /^config\.boot has neither "load-balancing wan" nor/],
    [
      'no interface',
      'set load-balancing wan flush-connections',
      /^config\.boot: load-balancing wan has no interface/,
    ],
  ] as const) {
    it(`is refused in one line with ${name}`, () => {
      assert.throws(
        () => fromVyos(text),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }
});

/** A configuration with eth1 and eth2 to leave by, and these lines of `load-balancing wan`. */
function wan(...lines: readonly string[]) {
  const own = ['eth1', 'eth2'].map((name) => `interface-health ${name} nexthop dhcp`);
  return fromVyos([...own, ...lines].map((line) => `set load-balancing wan ${line}`).join('\n'));
}

const REST = { policy: 'direct' };

describe('load-balancing wan', () => {
  const both = ['rule 10 interface eth1', 'rule 10 interface eth2'];

  it('has the gateway of an interface', () => {
    const text = ['eth1 nexthop 192.0.2.1', 'eth2 nexthop dhcp'].map(
      (one) => `set load-balancing wan interface-health ${one}`,
    );
    assert.deepEqual(fromVyos(text.join('\n')).wan, [
      { name: 'eth1', dev: 'eth1', via: '192.0.2.1' },
      { name: 'eth2', dev: 'eth2', via: 'auto' },
    ]);
  });

  it('pings the next hop where there is no test and it is known', () => {
    const { check } = fromVyos('set load-balancing wan interface-health eth1 nexthop 192.0.2.1');
    assert.deepEqual(check, [
      { wan: 'eth1', check: 'ping', to: '192.0.2.1', interval: 5, timeout: 5, fall: 1, rise: 1 },
    ]);
    assert.deepEqual(wan().check, []);
  });

  it('has tests, all of which must pass', () => {
    const { check, lost } = wan(
      'interface-health eth1 failure-count 4',
      'interface-health eth1 success-count 2',
      'interface-health eth1 test 20 target 198.51.100.1',
      'interface-health eth1 test 10 target 192.0.2.1',
      'interface-health eth1 test 10 type ping',
      'interface-health eth1 test 30 target 203.0.113.1',
      'interface-health eth1 test 30 resp-time 2',
      'interface-health eth1 test 40 type user-defined',
      'interface-health eth1 test 40 test-script look.sh',
    );
    const common = { wan: 'eth1', interval: 5, fall: 4, rise: 2 };
    assert.deepEqual(check, [
      { ...common, check: 'ping', to: ['192.0.2.1', '198.51.100.1'], quorum: 2, timeout: 5 },
      { ...common, check: 'ping', to: '203.0.113.1', timeout: 2 },
      { ...common, check: 'script', to: '/config/scripts/look.sh', timeout: 5 },
    ]);
    assert.deepEqual(lost, []);
  });

  for (const [name, lines, said] of [
    [
      'a test by TTL',
      ['test 1 type ttl', 'test 1 target 192.0.2.1'],
      /^3: test 1 is left out: there is no check like ttl/,
    ],
    ['a test without a target', ['test 1 type ping'], /^3: test 1 is left out: it has no target/],
  ] as const) {
    it(`cannot say ${name}`, () => {
      const { check, lost } = wan(...lines.map((line) => `interface-health eth1 ${line}`));
      assert.deepEqual([check, lost.length], [[], 1]);
      assert.match(lost[0]!, said);
    });
  }

  it('balances by weight, and what no rule is for goes by the main table', () => {
    const { policy, rule } = wan(
      'rule 10 inbound-interface eth0',
      'rule 10 interface eth1 weight 3',
      'rule 10 interface eth2',
    );
    assert.deepEqual(policy, [
      {
        name: 'rule-10',
        use: [
          { wan: 'eth1', weight: 3 },
          { wan: 'eth2', weight: 1 },
        ],
        none: 'main',
      },
    ]);
    assert.deepEqual(rule, [{ in: 'eth0', policy: 'rule-10' }, REST]);
  });

  it('prefers the highest weight with failover', () => {
    const { policy } = wan(
      'rule 1 failover',
      'rule 1 interface eth1 weight 10',
      'rule 1 interface eth2 weight 150',
    );
    assert.deepEqual(policy[0]!.use, [{ wan: 'eth1', tier: 2 }, 'eth2']);
  });

  it('prefers the first of those that have the same weight with failover, and shares nothing', () => {
    const { policy } = wan(
      'rule 1 failover',
      'rule 1 interface eth1',
      'rule 1 interface eth2 weight 7',
      'rule 1 interface eth3',
    );
    assert.deepEqual(policy[0]!.use, [{ wan: 'eth1', tier: 2 }, 'eth2', { wan: 'eth3', tier: 3 }]);
  });

  for (const [name, lines, expected] of [
    ['a device', ['inbound-interface eth0'], { in: 'eth0' }],
    ['devices by their beginning', ['inbound-interface eth+'], { in: 'eth+' }],
    ['the same in the newer form', ['inbound-interface eth*'], { in: 'eth+' }],
    ['any device', ['inbound-interface any'], {}],
    [
      'addresses',
      ['source address 10.0.0.0/24', 'destination address 192.0.2.1-192.0.2.9'],
      { from: '10.0.0.0/24', to: '192.0.2.1-192.0.2.9' },
    ],
    ['all addresses but some', ["source address '!10.0.0.0/24'"], { from: '!10.0.0.0/24' }],
    ['every address', ['source address 0.0.0.0/0'], {}],
    ['a protocol', ['protocol tcp'], { proto: 'tcp' }],
    ['a protocol by number', ['protocol 47'], { proto: 47 }],
    ['all protocols but one', ["protocol '!gre'"], { proto: '!gre' }],
    ['all protocols', ['protocol all'], {}],
    [
      'ports',
      ['protocol tcp_udp', 'destination port 53,853,5000-5100'],
      { dport: [53, 853, '5000-5100'], proto: ['tcp', 'udp'] },
    ],
    [
      'all ports but some',
      ['protocol udp', "source port '!53,123'"],
      { sport: ['!53', '!123'], proto: 'udp' },
    ],
    ['a description', ['description x'], {}],
  ] as const) {
    it(`has a rule for ${name}`, () => {
      const { rule, notes, lost } = wan(...both, ...lines.map((line) => `rule 10 ${line}`));
      assert.deepEqual(rule.slice(0, 1), [{ ...expected, policy: 'rule-10' }]);
      assert.deepEqual([notes, lost], [[], []]);
    });
  }

  it('has groups of addresses and ports', () => {
    const text = `set firewall group address-group tv address 10.0.0.5
set firewall group address-group tv address 10.0.0.6
set firewall group network-group nets network 192.0.2.0/24
set firewall group port-group web port 80
set firewall group port-group web port 443
set load-balancing wan interface-health eth1 nexthop dhcp
set load-balancing wan rule 1 interface eth1
set load-balancing wan rule 1 protocol tcp
set load-balancing wan rule 1 source group address-group tv
set load-balancing wan rule 1 destination group network-group !nets
set load-balancing wan rule 1 destination group port-group web`;
    const expected = { from: ['10.0.0.5', '10.0.0.6'], to: '!192.0.2.0/24', dport: [80, 443], proto: 'tcp' };
    assert.deepEqual(fromVyos(text).rule[0], { ...expected, policy: 'rule-1' });
    const { rule, lost } = fromVyos(text.replaceAll('group nets', 'group gone'));
    assert.equal(rule.length, 1);
    assert.match(
      lost.join(),
      /^10: a group of it has no addresses and no ports in this file; rule 1 is left out/,
    );
  });

  it('leaves alone what a rule excludes', () => {
    const { rule } = wan(
      'rule 5 exclude',
      'rule 5 destination address 10.0.0.0/8',
      'rule 5 inbound-interface eth0',
      ...both,
    );
    assert.deepEqual(rule, [{ in: 'eth0', to: '10.0.0.0/8', policy: 'direct' }, { policy: 'rule-10' }]);
  });

  it('asks rules by their numbers', () => {
    const { rule } = wan(
      'rule 100 interface eth1',
      'rule 100 protocol udp',
      'rule 9 interface eth1',
      'rule 9 protocol tcp',
    );
    assert.deepEqual(
      rule.map(({ proto }) => proto),
      ['tcp', 'udp', undefined],
    );
  });

  it('asks the next rule for the same traffic when no interface of a rule works', () => {
    const { policy } = wan(
      'rule 1 interface eth1',
      'rule 1 source address 10.0.0.5',
      'rule 1 inbound-interface eth0',
      'rule 2 interface eth2',
      'rule 2 source address 10.0.0.6',
      'rule 3 interface eth2',
      'rule 3 inbound-interface eth+',
      'rule 4 interface eth1',
    );
    assert.deepEqual(policy, [
      { name: 'rule-1', use: ['eth1'], none: 'rule-2' },
      { name: 'rule-2', use: ['eth2'], none: 'rule-4' },
      { name: 'rule-4', use: ['eth1'], none: 'main' },
    ]);
    const excluded = wan(
      'rule 1 interface eth1',
      'rule 1 protocol tcp',
      'rule 2 exclude',
      'rule 3 interface eth2',
    );
    assert.deepEqual([excluded.policy[0]!.none, excluded.lost], ['main', []]);
  });

  it('cannot say that several rules each have some of it', () => {
    const one = ['rule 1 interface eth1', 'rule 1 source address 10.0.0.5'];
    const rest = 'rule 3 interface eth2';
    for (const between of ['rule 2 interface eth2', 'rule 2 exclude']) {
      const { policy, lost } = wan(...one, between, 'rule 2 protocol tcp', rest);
      assert.notEqual(policy[0]!.none, 'main');
      assert.match(
        lost.join(),
        /^3: when no interface of rule 1 works, VyOS asks rule 2 for some of its traffic/,
      );
    }
    // These have nothing that works either, are for another device, or lead where the rest goes.
    const apart = ['rule 1 inbound-interface br0', 'rule 2 inbound-interface br1', 'rule 2 interface eth2'];
    assert.deepEqual(wan(...one, 'rule 2 interface eth1', 'rule 2 protocol tcp', rest).lost, []);
    assert.deepEqual(wan(...one, ...apart, rest).lost, []);
    assert.deepEqual(wan(...one, 'rule 2 exclude', 'rule 2 protocol tcp').lost, []);
  });

  it('has one policy for rules that lead to the same', () => {
    const { policy, rule } = wan(
      ...both,
      'rule 10 inbound-interface br0',
      'rule 20 interface eth1',
      'rule 20 interface eth2',
      'rule 20 inbound-interface br1',
    );
    assert.equal(policy.length, 1);
    assert.deepEqual(rule, [{ in: 'br0', policy: 'rule-10' }, { in: 'br1', policy: 'rule-10' }, REST]);
  });

  it("gives the router's own connections to the rules, without their devices, when it is told to", () => {
    const { rule } = wan(
      'enable-local-traffic',
      'rule 1 exclude',
      'rule 1 destination address 10.0.0.0/8',
      'rule 1 inbound-interface br0',
      'rule 2 exclude',
      'rule 2 destination address 10.0.0.0/8',
      'rule 2 inbound-interface br1',
      'rule 3 interface eth1',
      'rule 3 inbound-interface br0',
      'rule 4 interface eth2',
      'rule 4 inbound-interface br1',
    );
    assert.deepEqual(rule.slice(0, 3), [
      { own: true, to: '10.0.0.0/8', policy: 'direct' },
      { own: true, policy: 'rule-3' },
      { in: 'br0', to: '10.0.0.0/8', policy: 'direct' },
    ]);
  });

  it('has options for all', () => {
    const {
      options,
      wan: wans,
      lost,
    } = wan('flush-connections', 'disable-source-nat', 'sticky-connections inbound');
    assert.deepEqual(options, { own: 'off', 'on-up': 'all' });
    assert.deepEqual(wans[0], { name: 'eth1', dev: 'eth1', via: 'auto', nat: 'none' });
    assert.deepEqual(lost, []);
  });

  for (const [name, line, said] of [
    ['a limit', 'rule 10 limit rate 5', /^5: rule 10 is for all connections here/],
    ['packets', 'rule 10 per-packet-balancing', /^5: rule 10 balances connections here/],
    [
      'a word of another version',
      'interface-health eth1 colour red',
      /^5: "colour" is not a word that is known here; it is/,
    ],
    ['the hook', 'hook /config/scripts/x', /^5: the hook reads WLB_INTERFACE_NAME/],
    [
      'a word that it does not know',
      'rule 10 colour red',
      /^5: "colour" is not a word that is known here; rule 10 is left out/,
    ],
  ] as const) {
    it(`cannot say ${name}`, () => {
      const { lost } = wan(...both, line);
      assert.equal(lost.length, 1, lost.join('\n'));
      assert.match(lost[0]!, said);
    });
  }

  for (const [name, lines, said] of [
    ['an interface without health', ['rule 10 interface eth3'], /^3: eth3 has no interface-health/],
    ['a rule without an interface', ['rule 10 protocol tcp'], /^3: rule 10 has no interface/],
    [
      'health of the device that traffic comes from',
      ['interface-health eth0 nexthop dhcp', 'rule 10 interface eth1', 'rule 10 inbound-interface eth0'],
      /^3: eth0 is where traffic comes from/,
    ],
    [
      'ports without a protocol',
      ['rule 10 interface eth1', 'rule 10 destination port 53'],
      /^3: rule 10 has ports/,
    ],
  ] as const) {
    it(`notes ${name}`, () => {
      const { notes, lost } = wan(...lines);
      assert.deepEqual([notes.length, lost], [1, []]);
      assert.match(notes[0]!, said);
    });
  }
});
