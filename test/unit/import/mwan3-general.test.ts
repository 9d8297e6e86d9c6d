import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '#wanmark/errors.js';
import { fromMwan3, network, section } from '../../helpers/imports.js';

const RULE =
  section("policy 'p'", 'use_member += m_a', 'use_member += m_b') +
  section("rule 'all'", 'family ipv4', 'use_policy p');

function general(globals: readonly string[], a: readonly string[] = [], b: readonly string[] = []) {
  const interfaces = { a, b };
  const text = Object.entries(interfaces).map(
    ([name, options]) =>
      section(`interface '${name}'`, 'enabled 1', ...options) +
      section(`member 'm_${name}'`, `interface ${name}`),
  );
  return fromMwan3(section("globals 'globals'", ...globals) + text.join('') + RULE, network('ab'));
}

describe('what holds for everything in mwan3', () => {
  for (const [name, globals, options] of [
    ['the mask that everybody has', ['mmx_mask 0x3F00'], {}],
    ['the mask of old versions', ['mmx_mask 0xff00'], {}],
    ['a mask that somebody chose', ['mmx_mask 0x0FF0000'], { mask: '0xff0000' }],
    ['what changes nothing', ['enabled 1', 'rtmon_interval 5', 'loglevel notice', 'logging 1'], {}],
  ] as const) {
    it(`says ${name}`, () => {
      const result = general(globals);
      assert.deepEqual([result.options, result.notes, result.lost], [options, [], []]);
    });
  }

  it('cannot say a mask of scattered bits', () => {
    assert.match(general(['mmx_mask 0x5500']).lost.join(), /^2: mmx_mask 0x5500 is not one run of bits/);
  });

  it("leaves the router's own connections alone with local_source none", () => {
    assert.deepEqual(general(['local_source none']).options, { own: 'off' });
    assert.deepEqual(general(['local_source lan']).options, {});
  });

  it('names tables that are not looked at, in one line', () => {
    const { notes, lost } = general(['rt_table_lookup += 220', 'rt_table_lookup += 210']);
    assert.equal(lost.length, 0);
    assert.deepEqual(
      notes.map((note) => note.slice(0, 17)),
      ['2: routes of such', '3: routes of such'],
    );
  });

  it('logs where a rule is logged and logging is allowed', () => {
    const logged = section("rule 'l'", 'logging 1', 'src_ip 10.0.0.5', 'use_policy default');
    const text = (on: string) =>
      section('globals', `logging ${on}`) +
      section("interface 'a'", 'enabled 1') +
      section("member 'm_a'", 'interface a') +
      logged +
      RULE;
    assert.deepEqual(fromMwan3(text('1')).options, { 'log-kernel': true });
    assert.deepEqual(fromMwan3(text('0')).options, {});
  });

  for (const [events, options] of [
    [[], {}],
    [['never'], { 'on-down': 'none' }],
    [['disconnected'], { 'on-down': 'all' }],
    [['ifdown', 'disconnected'], { 'on-down': 'all' }],
    [['ifup', 'ifdown', 'connected', 'disconnected'], { 'on-up': 'all' }],
    [['always'], { 'on-up': 'all' }],
  ] as const) {
    it(`cuts connections on ${events.join(', ') || 'nothing, so as we do'}`, () => {
      const list = events.map((event) => `flush_conntrack += ${event}`);
      const result = general([], list, list);
      assert.deepEqual([result.options, result.lost], [options, []]);
    });
  }

  it('cannot cut connections of some interfaces alone', () => {
    const { options, lost } = general([], ['flush_conntrack += connected'], ['flush_conntrack += never']);
    assert.deepEqual(options, { 'on-up': 'all' });
    assert.match(lost.join(), /^4: interfaces have different flush_conntrack/);
  });

  it('notes an interface that nothing is sent by, and sections of others', () => {
    const { notes } = fromMwan3(
      section("interface 'a'", 'enabled 1') +
        section("interface 'b'", 'enabled 1') +
        section("member 'm_a'", 'interface a') +
        RULE +
        section("load 'x'"),
      network('ab'),
    );
    assert.ok(notes.includes('3: no rule sends anything by interface b'), notes.join('\n'));
    assert.ok(notes.includes('13: mwan3 reads no sections of the kind load; left out'), notes.join('\n'));
  });
});

describe('a file that is not of mwan3', () => {
  it('is refused in one line', () => {
    assert.throws(
      () => fromMwan3(network('ab')),
      (error) =>
        error instanceof UsageError &&
        /^mwan3 has no rule, policy or member of mwan3; give/.test(error.message),
    );
  });

  it('may be what uci export prints of all packages', () => {
    const mwan3 =
      section("interface 'a'", 'enabled 1') +
      section("member 'm_a'", 'interface a') +
      section("policy 'p'", 'use_member += m_a') +
      section('rule', 'use_policy p');
    const { wan, lost } = fromMwan3(
      `package dhcp\n${section('dnsmasq')}package mwan3\n${mwan3}package network\n${network('a')}`,
    );
    assert.deepEqual([wan, lost], [[{ name: 'a', dev: 'dev-a', via: 'auto' }], []]);
  });
});
