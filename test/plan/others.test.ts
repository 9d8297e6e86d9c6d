/** What becomes of the ip rules of others. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { buildPlan } from '#wanmark/plan/build.js';
import type { OtherRule } from '#wanmark/plan/facts.js';
import { ipRuleLines } from '#wanmark/plan/render/ip.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROUTER } from './router.js';

const rule = (priority: number, change: Partial<OtherRule> = {}): OtherRule => ({
  ...{ priority, inverted: false, mark: undefined, before: ['from all'], after: [], action: 'lookup 200' },
  takesAll: false,
  ...change,
});
const whole = (value: number) => ({ value, mask: 0xffffffff });

/** The copies of rules, and what a person is told. */
function follow(rules: readonly OtherRule[], raw: RawConfig = {}) {
  const config = parseConfig({ wan: ['fibre,dev=eth1,via=192.0.2.1,mark=1'], mask: '0xff00', ...raw });
  const plan = buildPlan(config, { ...ROUTER, rules: { 4: rules, 6: [] } }, NO_STATES);
  const lines = ipRuleLines(plan.families[4]);
  const first = lines.findIndex((line) => line.endsWith('lookup main suppress_prefixlength 0'));
  const exempt = plan.families[4].sets.get('exempt')?.elements;
  const led = plan.families[4].sets.get('led')?.elements;
  return { copies: lines.slice(0, first), notes: plan.notes, exempt, led };
}

describe('an ip rule of others', () => {
  it('is copied before ours where it stands behind them, in its place among others', () => {
    const { copies, notes } = follow([
      rule(100, { before: ['from 192.0.2.9'] }),
      rule(32_764, { before: ['from 192.0.2.10'] }),
      rule(32_765, { after: ['iif lan0'], action: 'prohibit' }),
      rule(32_766, { action: 'lookup main', takesAll: true }),
      rule(32_767, { action: 'lookup 253' }),
    ]);
    assert.deepEqual(copies, [
      'priority 19998 from 192.0.2.10 lookup 200',
      'priority 19999 iif lan0 prohibit',
    ]);
    assert.deepEqual(notes, [
      "IPv4: ip rules of others hold before ours: 32764 'from 192.0.2.10 lookup 200', 32765 'from all iif lan0 prohibit'",
    ]);
  });

  it('has a say only before main, wherever main stands', () => {
    const main = rule(30_000, { action: 'lookup main', takesAll: true });
    assert.deepEqual(follow([main, rule(32_765)]), { copies: [], notes: [], exempt: [], led: [] });
  });

  it('that asks for a whole mark does not ask for our field, wherever it stands', () => {
    const marked = (priority: number) => follow([rule(priority, { mark: whole(0x2a) })]).copies;
    assert.deepEqual(marked(32_765), ['priority 19999 fwmark 0x2a/0xffff00ff lookup 200']);
    assert.deepEqual(marked(5), ['priority 19999 fwmark 0x2a/0xffff00ff lookup 200']);
    assert.deepEqual(follow([rule(5, { mark: { value: 1, mask: 0xff } })]).copies, []);
    // Here nobody's field is forgotten: the rule is for packets without any mark.
    assert.deepEqual(follow([rule(32_765, { mark: whole(0) })]).copies, [
      'priority 19999 fwmark 0x0/0xffffffff lookup 200',
    ]);
  });

  it('that leads all packets of a mark keeps these from a decision, unless they could have one of ours', () => {
    const leads = (value: number, mask: number, more: Partial<OtherRule> = {}) =>
      rule(30_000, { mark: { value, mask }, leads: true, ...more });
    const { led, copies } = follow([
      leads(0x10000, 0xff0000),
      leads(0x10000, 0xff0000, { priority: 30_001, action: 'lookup 201' }),
      leads(0x2a, 0xffffffff, { priority: 5 }),
      leads(0x500, 0xf00),
      rule(30_002, { mark: { value: 0x20000, mask: 0xff0000 } }),
      rule(32_766, { action: 'lookup main', takesAll: true }),
      leads(0x30000, 0xff0000, { priority: 32_768 }),
    ]);
    assert.deepEqual(led, ['0x10000/0xff0000', '0x2a/0xffff00ff']);
    assert.equal(copies.length, 5);
  });

  it('that asks for a mark is behind ours where marks are not respected, and nobody is told of it', () => {
    const { led, copies, notes, exempt } = follow(
      [
        rule(30_000, { mark: { value: 0x10000, mask: 0xff0000 }, leads: true }),
        rule(30_001, { mark: { value: 1, mask: 1 }, action: undefined }),
        rule(30_002, { before: ['from 192.0.2.9'] }),
        rule(30_003, { inverted: true, mark: whole(51) }),
      ],
      { 'respect-marks': 'off' },
    );
    assert.deepEqual(led, []);
    assert.deepEqual(copies, [
      'priority 19998 from 192.0.2.9 lookup 200',
      'priority 19999 not from all fwmark 0x33/0xffff00ff lookup 200',
    ]);
    assert.equal(notes.length, 1);
    assert.deepEqual(exempt, ['0x33/0xffffffff']);
  });

  it('that exempts a whole mark lets packets with that mark alone', () => {
    const { copies, exempt } = follow([rule(32_765, { inverted: true, mark: whole(51) })]);
    assert.deepEqual(copies, ['priority 19999 not from all fwmark 0x33/0xffff00ff lookup 200']);
    assert.deepEqual(exempt, ['0x33/0xffffffff']);
    assert.deepEqual(follow([rule(5, { inverted: true, mark: { value: 5, mask: 0xff } })]).exempt, []);
  });

  it('that asks for the mark of a WAN is named, and not copied', () => {
    for (const priority of [5, 32_765]) {
      const { copies, notes } = follow([rule(priority, { mark: whole(0x100) })]);
      assert.deepEqual(copies, []);
      assert.deepEqual(notes, [
        `warning: ip -4 rule ${priority} 'from all fwmark 0x100/0xffffffff lookup 200' of somebody else asks for a mark ` +
          'of WAN fibre; give it or wanmark other bits (--mask), docs/marks.md says which are free',
      ]);
    }
    assert.deepEqual(follow([rule(5, { mark: whole(0x200) })]).notes, []);
  });

  it('that takes every connection is named with what to do', () => {
    assert.deepEqual(follow([rule(1000, { action: 'lookup main', takesAll: true })]).notes, [
      "warning: ip -4 rule 1000 'from all lookup main' of somebody else takes every connection, so none is balanced; " +
        'remove it, or use a --priority below 1000',
    ]);
    assert.deepEqual(follow([rule(32_765, { takesAll: true })]).notes, [
      "warning: ip -4 rule 32765 'from all lookup 200' of somebody else takes every connection, so none is balanced; " +
        'remove it',
    ]);
  });

  it('that cannot be copied is named', () => {
    const { copies, notes } = follow([rule(32_765, { action: undefined })]);
    assert.deepEqual(copies, []);
    assert.match(
      notes[0] ?? '',
      /32765 'from all \.\.\.' of somebody else stands behind ours and cannot be copied/,
    );
    // With a priority of 1 there is no room before ours.
    assert.match(follow([rule(32_765)], { priority: '1' }).notes[0] ?? '', /cannot be copied/);
  });
});
