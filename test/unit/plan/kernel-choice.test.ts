import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { TargetId } from '#wanmark/core/target.js';
import { buildPlan } from '#wanmark/plan/build.js';
import { choiceRefusal, fittingStates } from '#wanmark/plan/kernel-choice.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROUTER } from '../../plan/router.js';

const config = parseConfig({
  wan: [
    'a,dev=eth1,via=192.0.2.1',
    'b,dev=eth2,via=198.51.100.1',
    'c,dev=eth3,via=203.0.113.1,tier=2,weight=300',
  ],
  'kernel-mode': 'nth',
});

function states(weights: Record<string, number>, down: TargetId[] = []) {
  return { ...NO_STATES, down: new Set(down), weights: new Map(Object.entries(weights)) };
}

/** The names of the WANs that the kernel's own choice is among, for IPv4. */
function chosen(down: TargetId[], suspected: TargetId[], weights: Record<string, number> = {}) {
  const lists: string[][] = [];
  const given = { ...states(weights, down), suspected: new Set(suspected) };
  JSON.stringify(buildPlan(onRouter, ROUTER, given), (key, value) => {
    if (key === 'shares') lists.push(value.map(({ name }: { name: string }) => name));
    return value instanceof Map ? [...value] : value;
  });
  return lists[0];
}

const onRouter = parseConfig({
  wan: ['a,dev=eth1,via=192.0.2.1', 'b,dev=eth2,via=198.51.100.1', 'c,dev=ppp0,via=dev,tier=2'],
});

describe('the choice of the kernel', () => {
  it('leaves suspected WANs out while another one works, if need be of a higher tier, and else uses them', () => {
    assert.deepEqual(chosen([], []), ['a', 'b']);
    assert.deepEqual(chosen([], ['a/4']), ['b']);
    assert.deepEqual(chosen([], ['a/4', 'b/4']), ['c']);
    assert.deepEqual(chosen([], ['a/4', 'b/4', 'c/4']), ['a', 'b']);
    assert.deepEqual(chosen(['b/4', 'c/4'], ['a/4']), ['a']);
    assert.deepEqual(chosen([], ['a/4', 'b/4'], { c: 0 }), ['a', 'b']);
  });
});

describe('choiceRefusal', () => {
  it('takes weights that make a choice, in each tier', () => {
    for (const weights of [{}, { a: 0 }, { a: 256, b: 0 }, { a: 300, b: 100 }, { c: 0 }]) {
      assert.equal(choiceRefusal(config, states(weights)), undefined, JSON.stringify(weights));
    }
  });

  it('says why others make none', () => {
    assert.match(choiceRefusal(config, states({ a: 0, b: 0, c: 0 }))!, /^every WAN has weight 0; /);
    assert.match(choiceRefusal(config, states({ a: 256 }))!, /^WANs: .* a rotation of 257, more than 256; /);
    const random = parseConfig({ wan: ['a,dev=eth1,weight=256', 'b,dev=eth2'] });
    assert.equal(choiceRefusal(random, states({})), undefined, 'a draw has no length');
  });
});

describe('fittingStates', () => {
  it('drops what is said of WANs that there are not', () => {
    const fitting = fittingStates(config, states({ b: 7, old: 3 }, ['b/4', 'old/6']));
    assert.deepEqual(fitting, states({ b: 7 }, ['b/4']));
  });

  it('drops weights that make no choice, and nothing else', () => {
    for (const weights of [{ a: 256 }, { a: 0, b: 0, c: 0 }]) {
      assert.deepEqual(fittingStates(config, states(weights, ['a/6'])), states({}, ['a/6']));
    }
  });
});
