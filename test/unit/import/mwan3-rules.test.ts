import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromMwan3, network, section, uplinks } from '../../helpers/imports.js';

const POLICIES =
  section("policy 'both'", 'use_member += m_a', 'use_member += m_b') +
  section("policy 'one'", 'use_member += m_a');
const NETWORK = network('ab') + section("interface 'lan'", 'device br-lan', 'proto static');

/** What `options` make of one rule to the policy `one`, without that for the rest of the traffic. */
function rules(...texts: readonly string[]) {
  const { rule, notes, ...rest } = fromMwan3(uplinks('ab') + POLICIES + texts.join(''), NETWORK);
  return {
    ...rest,
    rule,
    notes: notes.filter((note) => !/no rule sends anything|mwan3 refuses IPv6/.test(note)),
  };
}

describe('a rule of mwan3', () => {
  for (const [name, options, expected] of [
    ['a source', ['src_ip 10.0.0.5'], { from: '10.0.0.5' }],
    ['a network with a length of all bits', ['src_ip 10.0.0.5/32'], { from: '10.0.0.5' }],
    ['a network by its mask', ['dest_ip 10.0.0.0/255.255.0.0'], { to: '10.0.0.0/16' }],
    ['a mask with holes', ['src_ip 0.0.0.1/0.0.0.1'], { from: '0.0.0.1/0.0.0.1' }],
    ['networks', ['dest_ip 192.0.2.0/25,198.51.100.7'], { to: ['192.0.2.0/25', '198.51.100.7'] }],
    [
      'a list of networks, as RutOS has it',
      ['dest_ip += 192.0.2.0/25', 'dest_ip += 198.51.100.7'],
      { to: ['192.0.2.0/25', '198.51.100.7'] },
    ],
    ['IPv6', ['dest_ip 2001:db8::/32'], { to: '2001:db8::/32' }],
    ['all of IPv4 by its network', ['dest_ip 0.0.0.0/0', 'proto udp'], { family: 4, proto: 'udp' }],
    ['all of IPv6 by its network', ['src_ip ::/0', 'proto udp'], { family: 6, proto: 'udp' }],
    ['a family', ['family ipv6', 'proto icmp'], { family: 6, proto: 'icmp' }],
    ['a family that the addresses say as well', ['family ipv4', 'src_ip 10.0.0.5'], { from: '10.0.0.5' }],
    [
      'ports',
      ['proto tcp', 'dest_port 80,443', 'src_port 1024:65535'],
      { proto: 'tcp', sport: '1024-65535', dport: [80, 443] },
    ],
    ['a protocol', ['proto esp'], { proto: 'esp' }],
    ['a device', ['src_iface lan'], { in: 'br-lan' }],
    [
      'a set of others',
      ['ipset video', 'proto udp', 'dest_port 443'],
      { set: 'video', proto: 'udp', dport: 443 },
    ],
  ] as const) {
    it(`says ${name}`, () => {
      const { rule, notes, lost } = rules(section("rule 'r'", 'use_policy one', ...options));
      assert.deepEqual(rule[0], { ...expected, policy: 'one' });
      assert.deepEqual([notes, lost], [[], []]);
    });
  }

  describe('for what the main table reaches by a route of its own', () => {
    const KNOWN =
      section(
        "interface 'modem'",
        'device dev-a',
        'proto static',
        'ipaddr 192.168.8.2',
        'netmask 255.255.255.0',
      ) +
      section("interface 'inner'", 'device br1', 'proto static', 'ipaddr 10.7.0.1/16', 'ip6addr fd07::1/64') +
      section('route', 'interface inner', 'target 10.0.8.0', 'netmask 255.255.252.0', 'gateway 10.7.0.9') +
      section("route 'all'", 'interface a', 'target 0.0.0.0', 'netmask 0.0.0.0');
    const to = (dest: string, policy = 'one') => {
      const rule = section("rule 'r'", `use_policy ${policy}`, `dest_ip ${dest}`);
      const { rule: all, notes, lost } = fromMwan3(uplinks('ab') + POLICIES + rule, NETWORK + KNOWN);
      assert.deepEqual(lost, []);
      return { first: all[0]!, notes: notes.filter((note) => /leaves alone/.test(note)) };
    };
    for (const dest of [
      '192.168.8.1',
      '10.7.5.0/24',
      '10.7.0.0/16',
      '10.0.11.0/24',
      'fd07::9',
      '10.7.0.1,10.0.8.0/22',
    ])
      it(`never holds, as for ${dest}`, () => {
        const { first, notes } = to(dest);
        assert.deepEqual(first, { policy: 'direct' });
        assert.equal(notes.length, 1);
        assert.match(
          notes[0]!,
          /: mwan3 leaves alone what the main table reaches .*, so rule r is never for /,
        );
      });

    it('holds for the other addresses that it has', () => {
      const { first, notes } = to('192.168.8.1,192.168.0.0/16,198.51.100.7');
      assert.deepEqual(first, { to: ['192.168.0.0/16', '198.51.100.7'], policy: 'one' });
      assert.match(notes.join(), /never for 192\.168\.8\.1$/);
    });

    for (const dest of ['10.0.0.0/8', '10.0.12.1', '0.0.0.1/0.0.0.1', 'fd08::1', '203.0.113.9'])
      it(`holds for ${dest}, which that does not cover`, () => {
        const { first, notes } = to(dest);
        assert.deepEqual([first, notes], [{ to: dest, policy: 'one' }, []]);
      });

    it('may say of it what is so anyway', () => {
      const { first, notes } = to('10.7.0.0/16', 'default');
      assert.deepEqual([first, notes], [{ to: '10.7.0.0/16', policy: 'direct' }, []]);
    });
  });

  it('goes to the words of mwan3', () => {
    const words = ['default', 'unreachable', 'blackhole'];
    const { rule } = rules(
      ...words.map((word, i) => section('rule', `src_ip 10.0.0.${i}`, `use_policy ${word}`)),
    );
    assert.deepEqual(
      rule.slice(0, 3).map(({ policy }) => policy),
      ['direct', 'unreachable', 'blackhole'],
    );
  });

  it('names each set of others once, under a name that fits', () => {
    const long = 'a_set_that_dnsmasq_fills_for_tv';
    const { rule, set } = rules(
      ...['dns', long, 'dns'].map((name) => section('rule', `ipset ${name}`, 'use_policy one', 'proto udp')),
    );
    assert.deepEqual(set, [
      { name: 'dns', external: true },
      { name: 'a_set_that_dnsm', external: long },
    ]);
    assert.deepEqual(
      rule.slice(0, 3).map((one) => one.set),
      ['dns', 'a_set_that_dnsm', 'dns'],
    );
  });

  it('has a set for many networks', () => {
    const nets = Array.from({ length: 120 }, (_, i) => `198.51.100.${i}`);
    const { rule, set } = rules(section("rule 'campus'", `dest_ip ${nets.join(',')}`, 'use_policy one'));
    assert.deepEqual(set, [{ name: 'campus', net: nets }]);
    assert.deepEqual(rule[0], { set: 'campus', policy: 'one' });
  });

  describe('that is sticky', () => {
    const sticky = (...options: readonly string[]) => section('rule', 'sticky 1', 'proto tcp', ...options);

    it('has a policy of its own, for ten minutes by default', () => {
      const { rule, policy } = rules(sticky('dest_port 443', 'use_policy both'));
      assert.deepEqual(policy.at(-1), {
        name: 'both-sticky',
        use: ['a', 'b'],
        none: 'unreachable',
        sticky: { by: 'src', for: '10m' },
      });
      assert.deepEqual(rule[0], { proto: 'tcp', dport: 443, policy: 'both-sticky' });
    });

    it('shares it with others of the same time', () => {
      const times = ['timeout 3600', 'timeout 90', 'timeout 3600'];
      const { rule, policy } = rules(
        ...times.map((time, i) => sticky(`dest_port ${i}`, time, 'use_policy both')),
      );
      assert.deepEqual(
        rule.slice(0, 3).map((one) => one.policy),
        ['both-sticky', 'both-sticky2', 'both-sticky'],
      );
      assert.deepEqual(
        policy.slice(2).map((one) => one.sticky),
        [
          { by: 'src', for: '1h' },
          { by: 'src', for: '90s' },
        ],
      );
    });

    it('has none where its policy has no choice', () => {
      const { rule, policy } = rules(
        sticky('use_policy one'),
        section('rule', 'sticky 1', 'use_policy default'),
      );
      assert.deepEqual([policy.length, rule[0]!.policy, rule[1]!.policy], [2, 'one', 'direct']);
    });
  });

  describe('that is not what it looks like', () => {
    const rest = { policy: 'direct' };
    for (const [name, options, said, expected] of [
      [
        'ports without tcp or udp',
        ['proto all', 'dest_port 25', 'use_policy one', 'family ipv4'],
        /: mwan3 ignores dest_port without proto tcp or udp/,
        { family: 4, policy: 'one' },
      ],
      ['no policy', ['src_ip 10.0.0.5'], /: mwan3 skips rule r: it has no use_policy/, rest],
      [
        'an unknown policy',
        ['src_ip 10.0.0.5', 'use_policy two'],
        /: mwan3 skips rule r: there is no policy two, and the next rule is asked/,
        rest,
      ],
      [
        'addresses of two families',
        ['src_ip 10.0.0.5', 'dest_ip 2001:db8::1', 'use_policy one'],
        /: rule r never holds/,
        rest,
      ],
      [
        'a list of both families',
        ['dest_ip 192.0.2.1,2001:db8::1', 'use_policy one'],
        /: rule r never holds/,
        rest,
      ],
      [
        'an address that is not of its family',
        ['family ipv6', 'dest_ip 192.0.2.1', 'use_policy one'],
        /: rule r never holds/,
        rest,
      ],
      ['that it is not enabled', ['enabled 0', 'use_policy one'], /: rule r is not enabled/, rest],
      [
        'an option that mwan3 does not read',
        ['use_policy one', 'dport 25'],
        /: mwan3 reads no option dport in sections of the kind rule/,
        { policy: 'one' },
      ],
    ] as const) {
      it(`has ${name}`, () => {
        const { rule, notes, lost } = rules(section("rule 'r'", ...options));
        assert.deepEqual([notes.length, lost], [1, []], notes.join('\n'));
        assert.match(notes[0]!, said);
        assert.deepEqual(rule[0], expected);
      });
    }

    it('has a name that is too long, or its policy has', () => {
      const long = 'a_name_of_16_xxx';
      const { rule, notes } = rules(
        section(`policy '${long}'`, 'use_member += m_a'),
        section(`rule '${long}'`, 'use_policy one'),
        section("rule 'r'", `use_policy ${long}`),
      );
      assert.deepEqual(rule, [rest]);
      assert.equal(notes.filter((note) => note.includes('15 letters')).length, 3, notes.join('\n'));
    });

    it('is never asked', () => {
      const { rule, notes } = rules(
        section('rule', 'family ipv4', 'use_policy both'),
        section("rule 'late'", 'src_ip 10.0.0.5', 'use_policy one'),
        section("rule 'six'", 'proto udp', 'use_policy one'),
      );
      assert.match(notes.join(), /mwan3 never comes to rule late: a rule before it takes everything/);
      assert.deepEqual(rule, [
        { family: 4, policy: 'both' },
        { proto: 'udp', policy: 'one' },
      ]);
    });

    it('has the name of a policy, and is read all the same', () => {
      const { rule, notes } = rules(section("rule 'one'", 'src_ip 10.0.0.5', 'use_policy one'));
      assert.deepEqual(rule[0], { from: '10.0.0.5', policy: 'one' });
      assert.match(notes.join(), /uci refuses a file in which policy one has the name of rule one/);
    });
  });

  for (const [name, options, said] of [
    [
      'a name for an address',
      ['dest_ip www.example.net'],
      /"www\.example\.net" is not an address or network; rule r is left out/,
    ],
    ['a port that is none', ['proto tcp', 'dest_port 80;443'], /"80;443" is not a port; rule r is left out/],
    [
      'a device that is not known',
      ['src_iface guest'],
      /the device of interface guest is not known, so rule r is left out/,
    ],
  ] as const) {
    it(`cannot be said with ${name}`, () => {
      const { rule, lost } = rules(section("rule 'r'", 'use_policy one', ...options));
      assert.deepEqual(rule, [{ policy: 'direct' }]);
      assert.equal(lost.length, 1);
      assert.match(lost[0]!, said);
    });
  }

  it('refuses IPv6 where all interfaces are of IPv4, which is said', () => {
    const { notes } = fromMwan3(uplinks('ab') + POLICIES + section('rule', 'use_policy both'), NETWORK);
    assert.match(notes.join(), /mwan3 refuses IPv6 by this rule, since no interface is of IPv6/);
    const six = section("rule 's'", 'use_policy both', 'family ipv6');
    const tcp = section('rule', 'use_policy both', 'proto tcp');
    const named = fromMwan3(uplinks('ab') + POLICIES + tcp + six, NETWORK);
    assert.deepEqual(
      named.notes.filter((note) => /IPv6/.test(note)),
      [],
      'a rule that names it holds',
    );
    const main = section("policy 'm'", 'use_member += m_a', 'use_member += m_b', 'last_resort default');
    assert.deepEqual(fromMwan3(uplinks('ab') + main + section('rule', 'use_policy m'), NETWORK).notes, []);
  });
});

describe('what no rule of mwan3 is for', () => {
  const six =
    section("interface 'c'", 'enabled 1', 'family ipv6') +
    section("member 'm_c'", 'interface c') +
    section("policy 'six'", 'use_member += m_c');

  it('goes by the main table', () => {
    assert.deepEqual(rules(section('rule', 'src_ip 10.0.0.0/24', 'use_policy one')).rule.at(-1), {
      policy: 'direct',
    });
    const { rule } = fromMwan3(
      uplinks('ab') + six + POLICIES + section('rule', 'family ipv4', 'use_policy both'),
    );
    assert.deepEqual(rule, [
      { family: 4, policy: 'both' },
      { family: 6, policy: 'direct' },
    ]);
  });

  it('is nothing where a rule takes everything of each family that has an interface', () => {
    assert.equal(rules(section('rule', 'dest_ip 0.0.0.0/0', 'use_policy one')).rule.length, 1);
    const both =
      section('rule', 'dest_ip 0.0.0.0/0', 'use_policy one') +
      section('rule', 'dest_ip ::/0', 'use_policy six');
    assert.equal(fromMwan3(uplinks('ab') + six + POLICIES + both).rule.length, 2);
  });
});
