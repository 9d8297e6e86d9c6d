import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { buildPlan } from '#wanmark/plan/build.js';
import type { Facts } from '#wanmark/plan/facts.js';
import { planLists } from '#wanmark/plan/render/lists.js';
import { spans } from '#wanmark/plan/rule-match.js';
import { NO_STATES, type PlanStates } from '#wanmark/plan/states.js';
import { ROUTER } from './router.js';

const WANS = ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1'];

/** The lines of a list of the plan that contain a text. */
function lines(
  { rule, policy = [], set = [] }: { rule: string[]; policy?: string[]; set?: string[] },
  list: string,
  text: string,
  facts: Partial<Facts> = {},
  states: Partial<PlanStates> = {},
): string[] {
  const config = parseConfig({ wan: WANS, rule, policy, set });
  const plan = buildPlan(config, { ...ROUTER, ...facts }, { ...NO_STATES, ...states });
  return (planLists(plan).get(list) ?? []).filter((line) => line.includes(text));
}

describe('the time of a rule', () => {
  const utc = (text: string, ahead: number) => {
    const { match } = parseConfig({ wan: WANS, rule: [`dsl,time=${text}`] }).policies.rules[0]!;
    return spans(match.time!, ahead).map(({ days, from, to }) => [
      days.join(''),
      from / 3600,
      (to + 1) / 3600,
    ]);
  };

  it('is one stretch within a day, and two for a night', () => {
    assert.deepEqual(utc('mon-fri 08:00-18:00', 0), [['12345', 8, 18]]);
    assert.deepEqual(utc('mon-fri 22:00-06:00', 0), [
      ['12345', 22, 24],
      ['23456', 0, 6],
    ]);
    assert.deepEqual(utc('sat 00:00-24:00', 0), [['6', 0, 24]]);
  });

  it('moves to another day with the zone, around the week, too', () => {
    assert.deepEqual(utc('sun 00:00-01:00', 120), [['6', 22, 23]]);
    assert.deepEqual(utc('sat 20:00-24:00', -300), [['0', 1, 5]]);
    assert.deepEqual(utc('sun+wed 00:00-04:00', 120), [
      ['26', 22, 24],
      ['03', 0, 2],
    ]);
  });
});

describe('the conditions of a rule', () => {
  const match = (rule: string, facts?: Partial<Facts>, set?: string[]) =>
    lines({ rule: [rule], ...(set && { set }) }, '4.mangle', '-A WANMARK_POLICY', facts)
      .slice(0, -1)
      .map((line) =>
        line.replace(/^-A WANMARK_POLICY ?/, '').replace(/ ?-m comment --comment "rule 1".*/, ''),
      );

  it('are one line each where there is one list at most', () => {
    assert.deepEqual(match('dsl'), ['']);
    assert.deepEqual(match('dsl,from=!10.0.0.5-10.0.0.9'), ['-m iprange ! --src-range 10.0.0.5-10.0.0.9']);
    assert.deepEqual(match('dsl,proto=tcp+udp,sport=!53+123'), [
      '-p 6 -m multiport ! --sports 53,123',
      '-p 17 -m multiport ! --sports 53,123',
    ]);
    const ports = Array.from({ length: 20 }, (_, i) => i + 1);
    assert.deepEqual(match(`dsl,proto=udp,dport=${ports.join('+')}`), [
      `-p 17 -m multiport --dports ${ports.slice(0, 15).join(',')}`,
      `-p 17 -m multiport --dports ${ports.slice(15).join(',')}`,
    ]);
    const ranges = Array.from({ length: 8 }, (_, i) => `${10 * i + 1}-${10 * i + 5}`);
    assert.equal(
      match(`dsl,proto=udp,dport=${ranges.join('+')}`).length,
      2,
      'a range takes two of the 15 places',
    );
    assert.equal(match(`dsl,proto=udp,dport=${ranges.slice(1).join('+')}+99`).length, 1);
  });

  it('ask for one network in a rule, since iptables takes one -s and one -d', () => {
    const set = ['office,net=198.18.0.0/24', 'homes,net=198.18.0.0/24+198.19.0.0/24'];
    for (const to of ['198.18.0.7', '!198.18.0.7', '203.0.113.0/24']) {
      for (const where of ['set=office', 'set=!office', 'set=homes', 'set=!homes', 'set=office,in=lan0']) {
        const all = lines({ rule: [`dsl,to=${to},${where}`], set }, '4.mangle', 'WANMARK');
        assert.ok(all.some((line) => line.includes('-d 198.18.0.')));
        assert.deepEqual(
          all.filter((line) => (line.match(/ -d /g) ?? []).length > 1),
          [],
        );
      }
    }
  });

  it('match nothing while a set of somebody else is not there, and come with it', () => {
    const set = ['ads,external'];
    assert.deepEqual(match('dsl,set=ads', {}, set), []);
    assert.deepEqual(match('dsl,set=!ads', {}, set), []);
    const ipsets = new Set(['ads/4']);
    assert.deepEqual(match('dsl,set=!ads', { ipsets }, set), ['-m set ! --match-set ads dst']);
  });

  it('ask the kernel for large sets and files, where it keeps sets', () => {
    const many = Array.from({ length: 65 }, (_, i) => `198.18.${i}.0/24`);
    const set = [`many,net=${many.join('+')}`];
    assert.deepEqual(match('dsl,set=many', { keepsSets: true }, set), [
      '-m set --match-set WANMARK_4_many dst',
    ]);
    assert.equal(match('dsl,set=many', { keepsSets: false }, set).length, 65);
    const files = { networks: new Map([['few', ['198.18.0.0/24']]]), faults: [] };
    assert.deepEqual(match('dsl,set=few', { keepsSets: true, files }, ['few,file=/few']), [
      '-m set --match-set WANMARK_4_few dst',
    ]);
    assert.deepEqual(match('dsl,set=few', { files }, ['few,file=/few']), ['-d 198.18.0.0/24']);
  });
});

describe('where a policy leads', () => {
  const policy = ['a,use=fibre+dsl:tier=2,none=b', 'b,use=dsl:weight=9,none=main'];
  const marks = (states: Partial<PlanStates>) =>
    lines({ rule: ['a'], policy }, '4.nat', '-A WANMARK_BY_a', {}, states).flatMap(
      (line) => /--set-xmark (\w+)\//.exec(line)?.[1] ?? [],
    );

  it('follows tiers, ends and drains', () => {
    assert.deepEqual(marks({}), ['0x1000000']);
    assert.deepEqual(marks({ down: new Set(['fibre/4'] as const) }), ['0x2000000']);
    assert.deepEqual(
      marks({ weights: new Map([['fibre', 0]]) }),
      ['0x2000000'],
      'a drained WAN is drained here, too',
    );
    assert.deepEqual(
      marks({ weights: new Map([['fibre', 7]]) }),
      ['0x1000000'],
      'other weights are for the default',
    );
    assert.deepEqual(marks({ down: new Set(['fibre/4', 'dsl/4'] as const) }), ['0x0'], 'the main table');
  });

  it('has an ip rule that does not lead out of it', () => {
    const rules = (states: Partial<PlanStates>) =>
      lines({ rule: ['dsl'] }, 'rules4', '0x3d000000', {}, states);
    assert.deepEqual(rules({}), ['priority 20001 fwmark 0x3d000000/0x3f000000 lookup 1002']);
    assert.deepEqual(rules({ down: new Set(['dsl/4'] as const) }), [
      'priority 20001 fwmark 0x3d000000/0x3f000000 unreachable',
    ]);
  });
});

describe('a network that the main table knows', () => {
  const named = (rule: string[], list: string, text: string) => lines({ rule }, list, text);

  it('is led by a rule that names it or a part of it, and by no other', () => {
    const rule = ['fibre,proto=tcp', 'dsl,to=10.5.0.0/16+203.0.113.0/24', 'direct,to=0.0.0.0/1'];
    const chain = named(rule, '4.mangle', '-A WANMARK_NEW');
    const at = (text: string) => chain.findIndex((line) => line.includes(text));
    assert.ok(
      at('-d 10.5.0.0/16 ') > at('UNICAST') && at('-d 10.5.0.0/16 ') < at('-d 10.0.0.0/8 -j RETURN'),
      chain.join('\n'),
    );
    assert.equal(chain.filter((line) => line.includes('rule ')).length, 1);
    assert.deepEqual(named(rule, 'rules4', 'priority 19999'), [
      'priority 19999 to 10.5.0.0/16 fwmark 0x1000000/0x3f000000 lookup 1001',
      'priority 19999 to 10.5.0.0/16 fwmark 0x2000000/0x3f000000 lookup 1002',
      'priority 19999 to 10.5.0.0/16 fwmark 0x3b000000/0x3f000000 unreachable',
    ]);
  });

  it('keeps the routes that are more exact than the rule', () => {
    const chain = named(['dsl,to=10.0.0.0/8'], '4.mangle', '-A WANMARK_NEW');
    const at = (text: string) => chain.findIndex((line) => line.includes(text));
    assert.ok(
      at('-d 10.1.0.0/16 -j RETURN') >= 0 && at('-d 10.1.0.0/16 -j RETURN') < at('-d 10.0.0.0/8 -m comment'),
    );
  });
});

describe('many rules', () => {
  const tcp = Array.from({ length: 9 }, (_, i) => `dsl,proto=tcp,dport=${i + 1}`);
  const hosts = Array.from({ length: 9 }, (_, i) => `fibre,from=10.0.0.${i + 1},in=lan0`);

  it('that ask for the same are skipped at once by what lacks it, in their order', () => {
    const all = lines(
      { rule: ['fibre,from=10.9.9.9', ...tcp, 'dsl,from=10.9.9.8', ...hosts] },
      '4.mangle',
      '-A WANMARK_POLICY',
    );
    const short = all.map((line) => line.replace('-A WANMARK_', '').replace(/ -m comment.*(?= -[gj])/, ''));
    assert.deepEqual(
      short.filter((line) => !/-g WANMARK_MARK\d/.test(line)),
      [
        'POLICY -s 10.9.9.9 -g WANMARK_TO_fibre',
        'POLICY -p 6 -j WANMARK_POLICY2',
        'POLICY -m mark ! --mark 0x0/0x3f000000 -g WANMARK_LED',
        'POLICY -s 10.9.9.8 -g WANMARK_TO_dsl',
        'POLICY -i lan0 -j WANMARK_POLICY3',
        'POLICY -m mark ! --mark 0x0/0x3f000000 -g WANMARK_LED',
        'POLICY -g WANMARK_ASK',
      ],
    );
    const numbers = all.flatMap((line) => /"rule (\d+)"/.exec(line)?.[1] ?? []);
    assert.equal(new Set(numbers).size, 20);
    // The router's own have no device.
    assert.equal(lines({ rule: hosts }, '4.mangle', '-A WANMARK_OWN').length, 1);
  });

  it('stay one chain where they have nothing in common', () => {
    const mixed = tcp.map((rule, i) => (i % 2 ? rule : rule.replace('tcp', 'udp')));
    assert.equal(lines({ rule: mixed }, '4.mangle', ':WANMARK_POLICY').length, 1);
  });
});
