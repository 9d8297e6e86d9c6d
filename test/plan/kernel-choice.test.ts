/** What the kernel's own choice is among, and the weights with which it can be made. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import type { TargetId } from '#wanmark/core/target.js';
import { buildPlan } from '#wanmark/plan/build.js';
import { choiceRefusal, fittingStates } from '#wanmark/plan/kernel-choice.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROUTER } from './router.js';

const config = (raw: RawConfig) => parseConfig({ 'kernel-mode': 'nth', ...raw });
const weights = (entries: Record<string, number>) => ({
  ...NO_STATES,
  weights: new Map(Object.entries(entries)),
});

const TWO = config({ wan: ['a,dev=a', 'b,dev=b'] });
const TIERS = parseConfig({
  wan: ['a,dev=eth1,via=192.0.2.1', 'b,dev=eth2,via=198.51.100.1', 'c,dev=ppp0,via=dev,tier=2'],
});

/** The names of the WANs of {@link TIERS} that the kernel's own choice is among, for IPv4. */
function chosen(down: TargetId[], suspected: TargetId[], given: Record<string, number> = {}) {
  const lists: string[][] = [];
  const states = { ...weights(given), down: new Set(down), suspected: new Set(suspected) };
  JSON.stringify(buildPlan(TIERS, ROUTER, states), (key, value) => {
    if (key === 'shares') lists.push(value.map(({ name }: { name: string }) => name));
    return value instanceof Map ? [...value] : value;
  });
  return lists[0];
}

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

describe('the choice of the kernel among backends', () => {
  const raw = {
    service: 'web,listen=192.0.2.1:80/tcp',
    backend: ['web,to=10.0.0.1', 'web,to=10.0.0.2,weight=3', 'web,to=10.0.0.3,tier=2'],
  };
  const pool = (down: TargetId[], given: Record<string, number> = {}) => {
    const plan = buildPlan(parseConfig(raw), ROUTER, { ...weights(given), down: new Set(down) });
    const chain = plan.families[4].stages.nat.chains.find(({ name }) => name === 'WANMARK_POOL1')!;
    const [choice] = chain.rules.flatMap(({ action }) => (action?.kind === 'choose' ? [action.choice] : []));
    return choice!.shares.map(({ name, weight }) => `${name.slice(-1)}=${weight}`).join(' ');
  };

  it('goes by states, weights and tiers', () => {
    assert.equal(pool([]), '1=1 2=3');
    assert.equal(pool(['web/10.0.0.1/4']), '2=3');
    assert.equal(pool(['web/10.0.0.1/4'], { 'web/10.0.0.2': 0 }), '3=1');
    assert.equal(pool([], { 'web/10.0.0.1': 7 }), '1=7 2=3');
  });

  it('tries all where none is up', () => {
    assert.equal(pool(['web/10.0.0.1/4', 'web/10.0.0.2/4', 'web/10.0.0.3/4']), '1=1 2=3');
  });

  it('is not made with weight 0 for all', () => {
    const all = { 'web/10.0.0.1': 0, 'web/10.0.0.2': 0, 'web/10.0.0.3': 0 };
    assert.match(
      choiceRefusal(parseConfig(raw), weights(all))!,
      /^every backend of service web has weight 0; /,
    );
  });

  it('keeps the states of its backends', () => {
    const states = {
      ...weights({ 'web/10.0.0.1': 2, 'db/10.0.0.1': 3 }),
      down: new Set<TargetId>(['web/10.0.0.2/4']),
    };
    const { down, weights: fitting } = fittingStates(parseConfig(raw), states);
    assert.deepEqual([[...down], [...fitting]], [['web/10.0.0.2/4'], [['web/10.0.0.1', 2]]]);
  });
});

describe('a choice is refused', () => {
  it('where a rotation would be too long, in any tier, of WANs or of a service', () => {
    for (const raw of [
      { wan: ['a,dev=a,weight=200', 'b,dev=b,weight=57'] },
      { wan: ['a,dev=a', 'b,dev=b,weight=200,tier=2', 'c,dev=c,weight=57,tier=2'] },
      {
        service: ['web,listen=192.0.2.1:80/tcp'],
        backend: ['web,to=10.0.0.1,weight=200', 'web,to=10.0.0.2,weight=57'],
      },
    ]) {
      assert.match(choiceRefusal(config(raw), NO_STATES)!, /a rotation of 257, more than 256/);
      assert.equal(choiceRefusal(config({ ...raw, 'kernel-mode': 'random' }), NO_STATES), undefined);
    }
  });

  it('where the current weights make it too long, or are all 0', () => {
    assert.equal(choiceRefusal(TWO, NO_STATES), undefined);
    assert.match(choiceRefusal(TWO, weights({ a: 256 }))!, /a rotation of 257/);
    assert.equal(choiceRefusal(TWO, weights({ a: 0 })), undefined);
    assert.match(choiceRefusal(TWO, weights({ a: 0, b: 0 }))!, /^every WAN has weight 0; /);
  });

  it('not where what they have in common, or a WAN of weight 0, makes it short enough', () => {
    for (const given of [
      { a: 256, b: 0 },
      { a: 300, b: 100 },
    ]) {
      assert.equal(choiceRefusal(TWO, weights(given)), undefined, JSON.stringify(given));
    }
  });

  it('not where only WANs without a share in a family would make it longer', () => {
    const slots = ['a,dev=a,weight=65280', 'b,dev=b,weight=256', 'c,dev=c,weight=7,tier=2'];
    assert.equal(choiceRefusal(config({ wan: slots }), NO_STATES), undefined);
    const families = ['a,dev=a,via=dev,weight=200', 'b,dev=b,via6=dev,weight=57'];
    assert.equal(choiceRefusal(config({ wan: families }), NO_STATES), undefined);
  });
});

describe('states that fit a configuration', () => {
  it('name only its targets, and have weights that the choice can be made with', () => {
    const states = {
      suspected: new Set<TargetId>(['b/4', 'gone/4']),
      down: new Set<TargetId>(['a/4', 'gone/4']),
      weights: new Map([
        ['a', 3],
        ['gone', 5],
      ]),
    };
    assert.deepEqual(fittingStates(TWO, states), {
      down: new Set(['a/4']),
      suspected: new Set(['b/4']),
      weights: new Map([['a', 3]]),
    });
  });

  it('drop all weights where the choice cannot be made with them, and nothing else', () => {
    const down = new Set<TargetId>(['a/6']);
    for (const given of [{ a: 300 }, { a: 0, b: 0 }]) {
      assert.deepEqual(fittingStates(TWO, { ...weights(given), down }), { ...NO_STATES, down });
    }
  });
});
