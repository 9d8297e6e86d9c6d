import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromMwan3, network, section, uplinks } from '../../helpers/imports.js';

/** Interfaces a, b and c; members by `name interface metric weight`; a policy `p` of these, by which everything goes. */
function policy(members: readonly string[], ...options: readonly string[]) {
  const sections = members.map((text) => {
    const [name, dev, metric, weight] = text.split(' ');
    return section(
      `member '${name}'`,
      `interface ${dev}`,
      ...(metric ? [`metric ${metric}`] : []),
      ...(weight ? [`weight ${weight}`] : []),
    );
  });
  const use = members.map((text) => `use_member += ${text.split(' ')[0]}`);
  const text = uplinks('abc') + sections.join('') + section("policy 'p'", ...use, ...options);
  const { notes, ...rest } = fromMwan3(
    text + section("rule 'all'", 'use_policy p', 'family ipv4'),
    network('abc'),
  );
  return { ...rest, notes: notes.filter((note) => !note.includes('no rule sends anything')) };
}

describe('a policy of mwan3', () => {
  for (const [name, members, use] of [
    ['one interface', ['x a'], ['a']],
    ['equal shares', ['x a 1 3', 'y b 1 3'], ['a', 'b']],
    [
      'shares by weight',
      ['x a 1 3', 'y b 1 2'],
      [
        { wan: 'a', weight: 3 },
        { wan: 'b', weight: 2 },
      ],
    ],
    ['failover', ['x a 2 3', 'y b 1 2'], [{ wan: 'a', tier: 2 }, 'b']],
    [
      'metrics with gaps',
      ['x a 10', 'y b 20', 'z c 256'],
      ['a', { wan: 'b', tier: 2 }, { wan: 'c', tier: 3 }],
    ],
    [
      'two and a backup',
      ['x a 1 3', 'y b 1 2', 'z c 9 7'],
      [
        { wan: 'a', weight: 3 },
        { wan: 'b', weight: 2 },
        { wan: 'c', tier: 2 },
      ],
    ],
    ['an interface in two metrics, of which the lower one holds', ['x a 2', 'y b 1', 'z a 1'], ['a', 'b']],
  ] as const) {
    it(`says ${name}`, () => {
      const result = policy(members);
      assert.deepEqual(result.policy, [{ name: 'p', use, none: 'unreachable' }]);
      assert.deepEqual([result.notes, result.lost], [[], []]);
    });
  }

  for (const [word, none] of [
    ['default', 'main'],
    ['unreachable', 'unreachable'],
    ['blackhole', 'blackhole'],
    ['else', 'unreachable'],
  ] as const) {
    it(`says last_resort ${word}`, () =>
      assert.equal(policy(['x a'], `last_resort ${word}`).policy[0]!.none, none));
  }

  it('adds up the weights of members of one interface, and says so', () => {
    const { policy: policies, notes } = policy(['x a 1 2', 'y b 1 2', 'z a 1 2']);
    assert.deepEqual(policies[0]!.use, [
      { wan: 'a', weight: 4 },
      { wan: 'b', weight: 2 },
    ]);
    assert.match(notes.join(), /a policy has interface a twice; its weights add up$/);
  });

  for (const [name, members, options, said] of [
    [
      'an interface that there is not',
      ['x a', 'y d'],
      [],
      /mwan3 has no interface "d", so it ignores member y$/,
    ],
    ['a metric above 256', ['x a', 'y b 257'], [], /mwan3 ignores member y: its metric is above 256$/],
    ['a member that there is not', ['x a'], ['use_member += z'], /there is no member z; mwan3 ignores it$/],
  ] as const) {
    it(`is without ${name}, and says so`, () => {
      const { policy: policies, notes } = policy(members, ...options);
      assert.deepEqual(policies[0]!.use, ['a']);
      assert.equal(notes.length, 1, notes.join('\n'));
      assert.match(notes[0]!, said);
    });
  }

  for (const [last, target] of [
    ['default', 'direct'],
    ['unreachable', 'unreachable'],
    ['blackhole', 'blackhole'],
  ] as const) {
    it(`without an interface is ${target}`, () => {
      const { policy: policies, rule, notes } = policy(['x d'], `last_resort ${last}`);
      assert.deepEqual([policies, rule], [[], [{ family: 4, policy: target }]]);
      assert.match(
        notes.join(),
        new RegExp(`policy p has no interface that can be up; what is led to it is ${target}`),
      );
    });
  }

  it('has interfaces of both families, each with tiers and weights of its own', () => {
    const six = ['a', 'b'].map(
      (name) =>
        section(`interface '${name}6'`, 'enabled 1', 'family ipv6') +
        section(`member 'm_${name}6'`, `interface ${name}6`, 'metric 2'),
    );
    const net =
      network('ab') + section("interface 'a6'", 'device @a') + section("interface 'b6'", 'device @b');
    const { wan, policy: policies } = fromMwan3(
      uplinks('ab') +
        six.join('') +
        section("policy 'p'", ...['a', 'a6', 'b', 'b6'].map((name) => `use_member += m_${name}`)) +
        section('rule', 'use_policy p'),
      net,
    );
    assert.deepEqual(wan, [
      { name: 'a', dev: 'dev-a', via: 'auto' },
      { name: 'b', dev: 'dev-b', via: 'auto' },
      { name: 'a6', dev: 'dev-a', via6: 'auto' },
      { name: 'b6', dev: 'dev-b', via6: 'auto' },
    ]);
    assert.deepEqual(policies[0]!.use, ['a', { wan: 'a6', tier: 2 }, 'b', { wan: 'b6', tier: 2 }]);
  });

  it('gets another name where ours has a meaning for it', () => {
    for (const name of ['direct', 'main', 'a']) {
      const { policy: policies, rule } = fromMwan3(
        uplinks('a') +
          section(`policy '${name}'`, 'use_member += m_a') +
          section('rule', `use_policy ${name}`),
      );
      assert.deepEqual([policies[0]!.name, rule[0]!.policy], [`${name}-policy`, `${name}-policy`]);
    }
  });

  it('is meant where it has the name of a word of mwan3, which would win', () => {
    const {
      policy: policies,
      rule,
      notes,
    } = fromMwan3(
      uplinks('a') +
        section("policy 'default'", 'use_member += m_a') +
        section('rule', 'family ipv4', 'use_policy default'),
      network('a'),
    );
    assert.deepEqual(policies, [{ name: 'default-policy', use: ['a'], none: 'unreachable' }]);
    assert.deepEqual(rule, [{ family: 4, policy: 'default-policy' }]);
    assert.match(notes.join(), /^9: "default" is a word of mwan3's own/);
  });
});
