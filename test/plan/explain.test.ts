/** What the plan of the golden router does with packets, and what is said of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import type { Packet, SourceCheck, Surroundings } from '#wanmark/plan/evaluate/packet.js';
import { explain, type Situation } from '#wanmark/plan/explain/explain.js';
import type { Explanation } from '#wanmark/plan/explain/explanation.js';
import type { Facts, OtherRule } from '#wanmark/plan/facts.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROUTER } from './router.js';

const FIBRE = 'fibre,dev=eth1,via=192.0.2.1,via6=fe80::1,mark=1,weight=5';
const DSL = 'dsl,dev=eth2,via=198.51.100.1,mark=2,weight=3';
const LTE = 'lte,dev=ppp0,via=dev,mark=3';
const WANS: RawConfig = { wan: [FIBRE, DSL, LTE] };
const POLICIES: RawConfig = {
  ...WANS,
  policy: ['voice,use=dsl+lte:tier=2,none=unreachable', 'web,use=fibre:weight=3+dsl,none=voice'],
  set: ['office,net=198.18.0.0/24+2001:db8:5::/48', 'ads,external'],
  rule: [
    'voice,from=192.168.9.50',
    'voice,proto=udp,dport=5060+10000-20000',
    'dsl,set=office',
    'direct,from=192.168.9.60',
    'blackhole,set=ads',
    'web,proto=tcp+udp,dport=443,from=10.0.0.0/8+192.168.0.0/16,to=!203.0.113.7+203.0.113.8',
    'lte,own=true,uid=1000-1999',
    'lte,mac=02:00:00:00:00:09',
  ],
};

const CLIENT: Packet = {
  family: 4,
  proto: 6,
  src: '192.168.9.2',
  isUnbound: false,
  dst: '203.0.113.5',
  sport: 40_000,
  dport: 80,
  in: 'lan0',
  mac: '02:00:00:00:00:01',
  user: undefined,
  dscp: 0,
  mark: 0,
  at: new Date('2026-01-05T12:00:00Z'),
};
const OWN: Partial<Packet> = { in: undefined, mac: undefined, src: '10.0.0.1', isUnbound: true, user: 0 };
const SILENT: Situation = { states: NO_STATES, reasons: new Map(), strategy: undefined };

function rule(priority: number, mark: OtherRule['mark'], action = 'lookup 77'): OtherRule {
  const takesAll = mark === undefined;
  return { priority, inverted: false, mark, before: ['from all'], after: [], action, leads: true, takesAll };
}

/** The kernel's own rule for the main table, in both families. */
const KERNELS = { 4: [rule(32_766, undefined, 'lookup main')], 6: [rule(32_766, undefined, 'lookup main')] };

interface Given {
  readonly packet?: Partial<Packet>;
  readonly facts?: Partial<Facts>;
  readonly around?: Partial<Surroundings>;
  readonly situation?: Partial<Situation>;
}

function explained(raw: RawConfig, { packet, facts, around, situation }: Given = {}): Explanation {
  const ipsets = new Set(['ads/4']);
  const surroundings = {
    facts: { ...ROUTER, rules: KERNELS, ipsets, ...facts },
    ipsec: false,
    inIpset: () => false,
    ...around,
  };
  return explain(parseConfig(raw), { ...CLIENT, ...packet }, surroundings, { ...SILENT, ...situation });
}

const shares = ({ ways }: Explanation) => ways.map(({ wan, share }) => `${wan} ${share.toFixed(3)}`);

describe('a connection that is left alone', () => {
  const cases: Record<string, [given: Given, left: RegExp, way: string, raw?: RawConfig]> = {
    'to a specific route': [
      { packet: { dst: '10.1.2.3' } },
      /the main table has a route to 10\.0\.0\.0\/8/,
      'lan0',
    ],
    'to an excluded network': [
      {},
      /203\.0\.113\.0\/24 is left out by --exclude/,
      'eth1',
      { ...WANS, exclude: ['203.0.113.0/24'] },
    ],
    'to an excluded network, where a rule names a part of what main knows': [
      { packet: { dst: '10.1.2.3' } },
      /^10\.1\.2\.0\/24 is left out by --exclude$/,
      'lan0',
      { ...WANS, exclude: ['10.1.2.0/24'], rule: ['dsl,to=10.0.0.0/8'] },
    ],
    'to a network of main within one that a rule names': [
      { packet: { dst: '10.1.2.3' } },
      /^the main table has a route to 10\.1\.0\.0\/16 beside its default route$/,
      'lan0',
      { ...WANS, rule: ['dsl,to=10.0.0.0/8'] },
    ],
    'to this router': [{ packet: { dst: '203.0.113.7' } }, /203\.0\.113\.7 is this router itself/, 'local'],
    'to a group': [{ packet: { dst: '224.0.0.251' } }, /is no single host/, 'eth1'],
    'that came in by a WAN': [
      { packet: { in: 'eth2', src: '203.0.113.9', dst: '198.51.100.2' } },
      /comes in by WAN dsl/,
      'local',
    ],
    'by another device than --lan': [
      { packet: { in: 'wg0' } },
      /comes by wg0, which is not one of --lan lan0/,
      'eth1',
      { ...WANS, lan: ['lan0'] },
    ],
    'with another mark that is led': [
      {
        packet: { mark: 0x10 },
        facts: { rules: { ...KERNELS, 4: [rule(100, { value: 0x10, mask: 0xff }), ...KERNELS[4]] } },
        around: {
          tableOf: () => [
            {
              dst: 'default',
              isThrow: false,
              metric: 0,
              ways: [{ dev: 'wg0', via: undefined, unusable: false }],
            },
          ],
        },
      },
      /an ip rule of somebody else leads its mark 0x10/,
      'wg0',
    ],
    'by a rule': [
      { packet: { src: '192.168.9.60' } },
      /its policy leaves it to the main table/,
      'eth1',
      POLICIES,
    ],
    'of the router, by --own off': [{ packet: OWN }, /--own off/, 'eth1', { ...WANS, own: 'off' }],
    'of the router, by --own off, though a rule without own is for others like it': [
      { packet: { ...OWN, proto: 17, dport: 5060 } },
      /--own off/,
      'eth1',
      { ...POLICIES, own: 'off' },
    ],
    'of a tunnel of the router': [{ packet: { ...OWN, proto: 47 } }, /protocol gre/, 'eth1'],
    'of the router, bound to a WAN': [
      { packet: { ...OWN, src: '203.0.113.7', isUnbound: false, dst: '203.0.113.9' } },
      /is bound to ppp0/,
      'ppp0',
    ],
  };
  for (const [name, [given, left, way, raw = WANS]] of Object.entries(cases)) {
    it(name, () => {
      const answer = explained(raw, given);
      assert.match(answer.left ?? '', left);
      assert.equal(answer.decides, 'nobody');
      assert.deepEqual(answer.policies, []);
      assert.deepEqual(
        answer.ways.map(({ dev, fate }) => dev ?? fate),
        [way],
      );
      assert.deepEqual(answer.unsure, []);
    });
  }
});

describe('a connection whose way back leads elsewhere', () => {
  const inbound = { in: 'eth2', src: '203.0.113.9', dst: '198.51.100.2' };
  const fateOf = (packet: Partial<Packet>, around: Partial<Surroundings>, facts: Partial<Facts> = {}) => {
    const [way] = explained(WANS, { packet, around, facts }).ways;
    return [way!.fate, way!.dev, way!.rule?.text ?? null];
  };
  const check = (mode: SourceCheck['mode'], byMark = false) => ({ sourceCheck: () => ({ mode, byMark }) });
  const toElsewhere: OtherRule = {
    ...{ priority: 30_000, inverted: false, mark: undefined, before: ['from all', 'to 203.0.113.9'] },
    ...{ after: [], action: 'lookup 77', takesAll: false },
  };
  const elsewhere = {
    ...{ dst: 'default', isThrow: false, metric: 0, ways: [{ dev: 'wg0', via: undefined, unusable: false }] },
  };
  const tableOf = () => [elsewhere];

  it('is lost by strict rp_filter, except where the mark of its WAN leads the way back', () => {
    // For an address of the WAN's own, the rule for sockets that are bound to it has the way back.
    const blind = { strict: new Set<string>() };
    assert.equal(fateOf(inbound, check('strict'), blind)[0], 'local');
    const forwarded = { ...inbound, dst: '10.1.2.3' };
    assert.equal(fateOf(forwarded, check('strict'))[0], 'leaves', 'up sets src_valid_mark');
    assert.deepEqual(fateOf(forwarded, check('strict'), blind), ['filtered', 'eth1', 'from all lookup main']);
    assert.equal(fateOf(forwarded, check('strict', true), blind)[0], 'leaves');
    assert.equal(fateOf(forwarded, check('loose'), blind)[0], 'leaves');
    assert.equal(fateOf(forwarded, check('off'), blind)[0], 'leaves');
    assert.equal(fateOf(forwarded, {}, blind)[0], 'leaves');
  });

  it("is lost where somebody else's rule leads the way back", () => {
    const rules = { ...KERNELS, 4: [toElsewhere, ...KERNELS[4]] };
    assert.deepEqual(fateOf(inbound, { ...check('strict'), tableOf }, { rules }), [
      ...['filtered', 'wg0', 'from all to 203.0.113.9 lookup 77'],
    ]);
    assert.deepEqual(fateOf(inbound, { ...check('loose'), tableOf }, { rules }), ['local', null, null]);
    assert.deepEqual(fateOf(inbound, { ...check('off'), tableOf }, { rules }), ['local', null, null]);
  });

  it('is lost where a client comes by another device than the one of its network', () => {
    const client = { in: 'lan0', src: '10.0.0.7', dst: '203.0.113.5' };
    assert.equal(fateOf(client, check('strict'))[0], 'leaves');
    assert.deepEqual(fateOf({ ...client, in: 'wg0' }, check('strict')).slice(0, 2), ['filtered', 'lan0']);
  });

  it('is lost in loose mode, too, where there is no way back', () => {
    const refusal = { ...toElsewhere, action: 'prohibit' };
    const rules = { ...KERNELS, 4: [refusal, ...KERNELS[4]] };
    assert.deepEqual(fateOf(inbound, check('loose'), { rules }), [
      ...['filtered', null, 'from all to 203.0.113.9 prohibit'],
    ]);
    assert.equal(fateOf(inbound, check('off'), { rules })[0], 'local');
  });

  it('has no protocol and no ports on its way back unless a rule for all devices asks for them', () => {
    const asking = (...before: string[]) => ({
      rules: { ...KERNELS, 4: [{ ...toElsewhere, before, after: ['ipproto 6 sport 80'] }, ...KERNELS[4]] },
    });
    const around = { ...check('strict'), tableOf };
    assert.equal(fateOf(inbound, around, asking('from all', 'iif lo'))[0], 'local');
    assert.equal(fateOf(inbound, around, asking('from all'))[0], 'filtered');
  });

  it('is not lost over IPv6, which has no rp_filter', () => {
    const six = { family: 6 as const, in: 'wg0', src: 'fd00:9::7', dst: '2001:db8:77::1' };
    assert.equal(fateOf(six, check('strict'))[0], 'leaves');
  });
});

describe('a connection to a service', () => {
  const WEB = { ...WANS, service: ['web,listen=203.0.113.7:80/tcp'], backend: ['web,to=10.1.2.3:8080'] };

  it('goes to its server, from clients, from the Internet and from the router itself', () => {
    const packets: Partial<Packet>[] = [{}, { in: 'ppp0', src: '198.18.0.1' }, OWN];
    for (const [i, packet] of [...packets, ...packets].entries()) {
      const {
        packet: shown,
        ways,
        left,
        decides,
        policies,
      } = explained(WEB, {
        packet: { ...packet, dst: '203.0.113.7' },
        situation: i < packets.length ? {} : { strategy: 'weighted' },
      });
      assert.deepEqual(
        ways.map(({ fate, dev, share }) => [fate, dev, share]),
        [['leaves', 'lan0', 1]],
        packet.src,
      );
      assert.deepEqual([decides, policies], ['nobody', []]);
      // To itself the router goes from the address that it asks for, which means nothing to the server.
      if (packet === OWN) assert.deepEqual([shown.src, ways[0]!.nat], ['203.0.113.7', 'masquerade']);
      assert.match(left!, /service web|comes in by WAN lte/);
    }
  });
});

describe('a connection that is balanced', () => {
  it('goes by the shares of the weights, and leaves as its WAN wants it', () => {
    const answer = explained({
      wan: [FIBRE, DSL, 'one,dev=eth3,via=dev,weight=2,nat=192.0.2.77', 'later,dev=ppp0,via=dev,tier=2'],
    });
    assert.deepEqual(shares(answer), ['fibre 0.500', 'dsl 0.300', 'one 0.200']);
    assert.deepEqual(
      answer.ways.map(({ nat }) => nat),
      ['masquerade', 'masquerade', '192.0.2.77'],
    );
    assert.deepEqual(
      answer.ways.map(({ rule: one }) => `${one?.priority} ${one?.text}`),
      [
        '20001 fwmark 0x1000000/0x3f000000 lookup 1001',
        '20001 fwmark 0x2000000/0x3f000000 lookup 1002',
        '20001 fwmark 0x3000000/0x3f000000 lookup 1003',
      ],
    );
    assert.equal(answer.policies[0]!.members[3]!.why, 'of tier 2, while one of tier 1 works');
  });

  it('goes by the WAN of its family where each family of a device is one', () => {
    const facts = { main: { ...ROUTER.main, 6: [] }, addresses: { ...ROUTER.addresses, 6: [] } };
    const raw = { wan: ['line,dev=eth1,via=auto', 'line6,dev=eth1,via6=auto', DSL], 'last-resort': 'main' };
    const states = { ...NO_STATES, down: new Set(['line/4', 'dsl/4'] as const) };
    const { ways } = explained(raw, { facts, situation: { states } });
    assert.deepEqual(
      ways.map(({ wan, table }) => [wan, table]),
      [['line', 'main']],
    );
  });

  it('keeps off WANs that are down, suspected, drained or of the other family, and says why', () => {
    const states = {
      down: new Set(['fibre/4'] as const),
      suspected: new Set(['lte/4'] as const),
      weights: new Map([['dsl', 3]]),
    };
    const reasons = new Map([
      ['fibre/4', 'ping failed'],
      ['lte/4', 'no answers'],
    ] as const);
    const { policies, ways } = explained(WANS, { situation: { states, reasons } });
    assert.deepEqual(
      policies[0]!.members.map(({ wan, why }) => [wan, why]),
      [
        ['fibre', 'down: ping failed'],
        ['dsl', null],
        ['lte', 'suspected: no answers'],
      ],
    );
    assert.deepEqual(
      ways.map(({ wan }) => wan),
      ['dsl'],
    );
    const six = explained(WANS, { packet: { family: 6, src: 'fd00::2', dst: '2001:db8:77::1' } });
    assert.match(six.policies[0]!.members[1]!.why!, /carries no IPv6; give it via6=/);
    assert.deepEqual(shares(six), ['fibre 1.000']);
  });

  it('is refused or left to main where no WAN is up, as the last resort says', () => {
    const down = new Set(['fibre/4', 'dsl/4', 'lte/4'] as const);
    const fate = (raw: RawConfig, packet: Partial<Packet> = {}) => {
      const { ways } = explained(
        { ...WANS, ...raw },
        { packet, situation: { states: { ...NO_STATES, down } } },
      );
      return ways.map((way) => way.dev ?? way.fate);
    };
    for (const engine of ['kernel', 'nfqueue']) {
      assert.deepEqual(fate({ engine }), ['eth1']);
      assert.deepEqual(fate({ engine, 'last-resort': 'blackhole' }), ['blackhole']);
      assert.deepEqual(fate({ engine, 'last-resort': 'unreachable' }, OWN), ['eth1'], "the router's own");
    }
  });

  it('of the router itself has the address of its way that is not deprecated', () => {
    const address = (one: string, isDeprecated = false) => ({
      dev: 'eth1',
      address: `${one}/64`,
      isDeprecated,
    });
    const main = [
      { dst: 'default', isThrow: false, metric: 0, ways: [{ dev: 'eth1', via: 'fe80::1', unusable: false }] },
    ];
    const sourceOf = (...addresses: ReturnType<typeof address>[]) =>
      explained(WANS, {
        packet: { ...OWN, family: 6, src: '::', dst: '2001:db8:ff::1' },
        facts: { main: { ...ROUTER.main, 6: main }, addresses: { ...ROUTER.addresses, 6: addresses } },
      }).packet.src;
    assert.equal(sourceOf(address('2001:db8:1::4', true), address('2001:db8:1::2')), '2001:db8:1::2');
    assert.equal(sourceOf(address('2001:db8:1::4', true)), '2001:db8:1::4');
    // TCP over IPv4 has one of the LAN, so that it does not go with the address of a WAN (own.ts).
    const lan = { dev: 'lan0', address: '10.0.0.1/8' };
    const facts = {
      addresses: { ...ROUTER.addresses, 4: [...ROUTER.addresses[4], lan] },
      devices: new Map([...ROUTER.devices, ['lan0', ROUTER.devices.get('eth1')!]]),
    };
    const [tcp, udp] = [6, 17].map((proto) =>
      explained(WANS, { packet: { ...OWN, src: '0.0.0.0', proto }, facts }),
    );
    assert.deepEqual([tcp!.packet.src, udp!.packet.src], ['10.0.0.1', '192.0.2.2']);
    const left = explained({ ...WANS, own: 'off' }, { packet: { ...OWN, src: '0.0.0.0' }, facts });
    assert.equal(left.packet.src, '192.0.2.2', 'what main has by --own off is not translated everywhere');
  });

  it('of the router itself goes by main without a daemon, and by a WAN with one or by the kernel', () => {
    const by = (raw: RawConfig, situation: Partial<Situation> = {}) =>
      shares(explained({ ...WANS, ...raw }, { packet: OWN, situation }));
    assert.deepEqual(by({}), ['fibre 1.000']);
    const silent = explained(WANS, { packet: OWN });
    assert.deepEqual([silent.decides, silent.policies], ['nobody', []]);
    assert.match(silent.left!, /no daemon answers, and without one .* go by the main table/);
    const unled = explained({ ...WANS, rule: ['default,own=true'] }, { packet: OWN });
    assert.deepEqual([unled.decides, unled.policies, unled.left], ['nobody', [], silent.left]);
    const led = explained({ ...WANS, rule: ['dsl,own=true'] }, { packet: OWN });
    assert.deepEqual([led.decides, led.left, led.rule?.number], ['kernel', null, 1]);
    assert.deepEqual(by({}, { strategy: 'weighted' }), ['fibre 0.556', 'dsl 0.333', 'lte 0.111']);
    assert.deepEqual(by({ engine: 'kernel' }), ['fibre 0.556', 'dsl 0.333', 'lte 0.111']);
  });
});

describe('a policy', () => {
  const led = (given: Given) => {
    const answer = explained(POLICIES, given);
    return [answer.rule?.number ?? 0, ...answer.policies.map(({ name }) => name), ...shares(answer)];
  };

  it('is the one of the first rule that matches, in every kind of it', () => {
    assert.deepEqual(led({ packet: { src: '192.168.9.50' } }), [1, 'voice', 'dsl 1.000']);
    assert.deepEqual(led({ packet: { proto: 17, dport: 12_000 } }), [2, 'voice', 'dsl 1.000']);
    assert.deepEqual(led({ packet: { dst: '198.18.0.9' } }), [3, 'dsl', 'dsl 1.000']);
    assert.deepEqual(led({ around: { inIpset: () => true } }), [5, 'blackhole', 'null 1.000']);
    assert.deepEqual(led({ packet: { dport: 443 } }), [6, 'web', 'fibre 0.750', 'dsl 0.250']);
    const other = led({ packet: { dport: 443, dst: '203.0.113.8' } });
    assert.deepEqual(other, [0, 'default', 'fibre 0.556', 'dsl 0.333', 'lte 0.111']);
    assert.deepEqual(led({ packet: { ...OWN, user: 1500 } }), [7, 'lte', 'lte 1.000']);
    assert.deepEqual(led({ packet: { mac: '02:00:00:00:00:09' } }), [8, 'lte', 'lte 1.000']);
  });

  it('leads to the one that follows where it has no WAN, and in the end to a refusal', () => {
    const packet = { dport: 443 };
    const down = (...ids: `${string}/4`[]) => ({
      situation: { states: { ...NO_STATES, down: new Set(ids) } },
      packet,
    });
    assert.deepEqual(led(down('fibre/4', 'dsl/4')), [6, 'web', 'voice', 'lte 1.000']);
    const answer = explained(POLICIES, down('fibre/4', 'dsl/4', 'lte/4'));
    assert.deepEqual(
      answer.ways.map(({ fate }) => fate),
      ['unreachable'],
    );
    assert.equal(answer.policies.at(-1)!.none, 'unreachable');
  });

  it('names rules that ask for what is not given', () => {
    const { unsure, rule: taken } = explained(POLICIES, {
      packet: { proto: 17, dport: undefined, mac: undefined },
    });
    assert.equal(taken, null);
    assert.equal(unsure.length, 3, unsure.join('\n'));
    assert.match(
      unsure[0]!,
      /^rule 2 \(voice,proto=udp,dport=5060\+10000-20000\) was passed by, but asks for its destination port/,
    );
    assert.match(unsure[1]!, /^rule 6 /);
    assert.match(unsure[2]!, /^rule 8 .* its MAC address/);
  });

  it('names the rules of a run that is skipped at once, and of these only what might match', () => {
    const rule = Array.from({ length: 8 }, (_, i) => `voice,mac=02:00:00:00:00:09,dscp=${i}`);
    const { unsure } = explained({ ...POLICIES, rule }, { packet: { dscp: 3, mac: undefined } });
    assert.equal(unsure.length, 1, unsure.join('\n'));
    assert.match(unsure[0]!, /^rule 4 .* its MAC address/);
  });
});

describe('a daemon', () => {
  it('gives one WAN by a hash, the same for the same client, and shares by anything else', () => {
    const answer = (strategy: string, src = CLIENT.src, raw = WANS) =>
      explained(raw, { packet: { src }, situation: { strategy } });
    const hashed = Array.from({ length: 64 }, (_, i) => answer('source-hash', `192.168.8.${i}`));
    assert.ok(hashed.every(({ ways, strategy }) => ways.length === 1 && ways[0]!.wan === strategy!.wan));
    assert.deepEqual([...new Set(hashed.map(({ ways }) => ways[0]!.wan))].toSorted(), [
      'dsl',
      'fibre',
      'lte',
    ]);
    assert.deepEqual(answer('least-connections').strategy, { name: 'least-connections', wan: null });
    assert.deepEqual(shares(answer('failover')), ['fibre 1.000']);
    assert.deepEqual(shares(answer('weighted')), ['fibre 0.556', 'dsl 0.333', 'lte 0.111']);
    const own = { ...POLICIES, policy: ['web,use=fibre+dsl,strategy=failover', 'voice,use=dsl'] };
    const { strategy, decides, withoutDaemon } = explained(own, {
      packet: { dport: 443 },
      situation: { strategy: 'weighted' },
    });
    assert.deepEqual([decides, strategy], ['daemon', { name: 'failover', wan: 'fibre' }]);
    assert.equal(withoutDaemon.length, 2);
  });
});
