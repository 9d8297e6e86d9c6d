/** A family that no WAN carries, on a router that has another way for it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { TCP } from '#wanmark/core/protocol.js';
import { buildPlan } from '#wanmark/plan/build.js';
import { explain } from '#wanmark/plan/explain/explain.js';
import type { Facts } from '#wanmark/plan/facts.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { MAIN_RULE, ROUTER } from './router.js';

const FACTS: Facts = {
  ...ROUTER,
  keepsSets: true,
  rules: { 4: [MAIN_RULE], 6: [MAIN_RULE] },
  main: {
    ...ROUTER.main,
    6: [
      {
        dst: 'default',
        isThrow: false,
        metric: 1,
        ways: [{ dev: 'eth3', via: '2001:db8:3::1', unusable: false }],
      },
    ],
  },
};
const ONLY_FOUR: RawConfig = { wan: ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1'] };

/** What becomes of a connection of IPv6, with the daemon and without it. */
function fates(raw: RawConfig, { own = false, dport = 443 } = {}): string[] {
  const packet = {
    ...({ family: 6, proto: TCP, isUnbound: own, dst: '2001:db8:77::1', sport: 40_000, dport } as const),
    src: '2001:db8:9::2',
    in: own ? undefined : 'lan0',
    mac: undefined,
    user: own ? 0 : undefined,
    dscp: 0,
    mark: 0,
    at: new Date('2026-01-05T12:00:00Z'),
  };
  const situation = { states: NO_STATES, reasons: new Map(), strategy: 'weighted' };
  const around = { facts: FACTS, inIpset: () => false, ipsec: false };
  const { ways, withoutDaemon } = explain(parseConfig({ ...ONLY_FOUR, ...raw }), packet, around, situation);
  return [...new Set([...ways, ...withoutDaemon].map(({ fate }) => (fate === 'leaves' ? fate : 'refused')))];
}

const LAST: RawConfig['rule'] = [
  'dsl,proto=tcp,dport=22',
  'direct,proto=tcp,dport=80',
  'unreachable,family=6',
];

describe('a family that no WAN carries', () => {
  it('is left alone while no rule names it, whatever rules without a family say', () => {
    const config = parseConfig({ ...ONLY_FOUR, rule: ['dsl,proto=tcp', 'blackhole,dscp=8'] });
    assert.equal(buildPlan(config, FACTS, NO_STATES).families[6].served, false);
    assert.deepEqual(fates({ rule: ['dsl,proto=tcp'] }), ['leaves']);
    assert.deepEqual(fates({ rule: ['direct,family=6'] }), ['leaves']);
  });

  for (const engine of ['nfqueue', 'kernel']) {
    it(`is refused by a rule that names it, for clients and for the router, engine ${engine}`, () => {
      for (const rule of ['unreachable,family=6', 'dsl,to=2001:db8:77::/48']) {
        assert.deepEqual(fates({ engine, rule: [rule] }), ['refused'], rule);
        assert.deepEqual(fates({ engine, rule: [rule] }, { own: true }), ['refused'], rule);
      }
    });

    it(`has every other rule then, engine ${engine}`, () => {
      assert.deepEqual(fates({ engine, rule: LAST }, { dport: 22 }), ['refused'], 'no member has IPv6');
      assert.deepEqual(fates({ engine, rule: LAST }, { dport: 80 }), ['leaves'], 'the main table has');
      const host = ['unreachable,from=2001:db8:9::3'];
      assert.deepEqual(fates({ engine, rule: host }), ['leaves'], 'what no rule is for');
      const other = { engine, rule: host, 'last-resort': 'unreachable' };
      assert.deepEqual(fates(other), ['leaves'], 'nor does the last resort refuse it');
    });
  }

  it('asks no daemon, and translates nothing', () => {
    const config = parseConfig({ ...ONLY_FOUR, rule: LAST });
    const { stages } = buildPlan(config, FACTS, NO_STATES).families[6];
    const rules = Object.values(stages).flatMap(({ chains }) => chains.flatMap((chain) => chain.rules));
    const kinds = new Set(rules.map(({ action }) => action?.kind));
    assert.deepEqual(
      ['queue', 'choose', 'masquerade', 'snat'].filter((kind) => kinds.has(kind as never)),
      [],
    );
  });
});
