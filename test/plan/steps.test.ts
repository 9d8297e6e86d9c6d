/** The steps from one whole state to another one: routes, ip rules and tables. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planSteps } from '#wanmark/plan/diff/steps.js';

const state = (lists: Record<string, string[]>) => new Map(Object.entries(lists));
const steps = (have: Record<string, string[]>, want: Record<string, string[]>, asked = {}) =>
  Object.fromEntries(planSteps({ lists: state(have), asked: state(asked) }, state(want)));

const ROUTE = 'default via 192.0.2.1 dev eth1 table 1001';
const RULE = 'priority 20001 fwmark 0x1/0xff lookup 1001';

describe('planSteps', () => {
  it('routes come before the rules that lead to them, and go after them', () => {
    const all = { routes4: [ROUTE], rules4: [RULE] };
    assert.deepEqual(steps({}, all), {
      '4.add': [`route replace ${ROUTE} protocol 119`, `rule add ${RULE} protocol 119`],
    });
    assert.deepEqual(steps(all, {}), {
      '4.drop': [`rule del ${RULE} protocol 119`, `route del ${ROUTE} protocol 119`],
    });
  });

  it('parts that are there already are not touched', () => {
    const all = { routes4: [ROUTE], rules6: [RULE], '4.nat': [':WANMARK - [0:0]'] };
    assert.deepEqual(steps(all, all, all), {});
  });

  it("a table's route is replaced, and nothing of that table is deleted afterwards", () => {
    const lines = [
      'unreachable default table 1001',
      'default dev eth1 table 1001',
      'default via fe80::1 dev eth1 table 1001',
      'default via fe80::2 dev eth1 onlink table 1001',
    ];
    for (const before of lines) {
      for (const after of lines.filter((line) => line !== before)) {
        assert.deepEqual(steps({ routes6: [before] }, { routes6: [after] }), {
          '6.add': [`route replace ${after} protocol 119`],
        });
      }
    }
  });

  it('what IPv6 sockets learned before there was a table for them is forgotten', () => {
    const own = { routes6: ['default dev eth1 table 1000'], rules6: ['priority 20003 iif lo lookup 1000'] };
    const wan = 'default dev eth1 table 10001';
    assert.equal(steps({}, own)['6.add']?.at(-1), 'route flush cache');
    assert.deepEqual(steps(own, { ...own, routes6: [...own.routes6, wan] }), {
      '6.add': [`route replace ${wan} protocol 119`],
    });
  });

  it('the route of a table that gets none is deleted', () => {
    const [one, two] = ['default dev eth1 table 1001', 'default dev eth1 table 10010'] as const;
    assert.deepEqual(steps({ routes6: [one, two] }, { routes6: [one] }), {
      '6.drop': [`route del ${two} protocol 119`],
    });
    assert.deepEqual(steps({ routes6: [one] }, { routes6: [two] }), {
      '6.add': [`route replace ${two} protocol 119`],
      '6.drop': [`route del ${one} protocol 119`],
    });
  });

  it('a table has its steps between its name and COMMIT, nat first', () => {
    const want = { '6.mangle': [':WANMARK - [0:0]'], '6.nat': [':WANMARK_NAT - [0:0]'] };
    assert.deepEqual(steps({}, want), {
      '6.tables': ['*nat', ':WANMARK_NAT - [0:0]', 'COMMIT', '*mangle', ':WANMARK - [0:0]', 'COMMIT'],
    });
  });
});
