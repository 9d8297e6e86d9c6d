import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { States } from '#wanmark/core/states.js';
import type { TargetId } from '#wanmark/core/target.js';

const TARGETS = [
  { name: 'fibre', families: [4, 6] },
  { name: 'dsl', families: [4] },
] as const;

function made(slowStartMs = 0) {
  const clock = { now: 1000 };
  const states = new States(TARGETS, { now: () => clock.now, slowStartMs });
  const found = (id: TargetId, up: boolean, reason = 'a test', heldUntil?: number) =>
    states.found(id, { up, since: clock.now, reason, heldUntil });
  return { clock, states, found };
}

describe('States', () => {
  it('calls a target that nobody reports on up and unchecked, since the start', () => {
    const { states } = made();
    const start = { up: true, since: 1000, reason: 'not checked', heldUntil: undefined };
    assert.deepEqual(states.state('dsl/4'), start);
    assert.deepEqual([states.down.size, states.takes('fibre/6')], [0, true]);
  });

  it('has targets that are down from the start, and come up as any other', () => {
    const down = new Set(['fibre/6'] as const);
    const states = new States(TARGETS, { now: () => 1000, slowStartMs: 1000, down });
    assert.deepEqual([states.takes('fibre/4'), states.takes('fibre/6')], [true, false]);
    assert.deepEqual([...states.down], ['fibre/6']);
    const { up, since, reason } = states.state('fibre/6');
    assert.deepEqual([up, since, reason], [false, 1000, 'has not passed its first check']);
    states.found('fibre/6', { up: true, since: 2000, reason: 'it answers', heldUntil: undefined });
    states.admit('fibre/6');
    assert.deepEqual([states.takes('fibre/6'), states.warmUp('fibre/6')], [true, 0.1]);
  });

  it('counts how often a target went up or down, whatever else is found of it', () => {
    const { states, found } = made();
    for (const up of [true, false, false, true, false]) found('fibre/4', up);
    assert.deepEqual([states.changes('fibre/4'), states.changes('dsl/4')], [3, 0]);
  });

  it('keeps what is known of targets that another configuration has, too, and nothing of others', () => {
    const { states, found, clock } = made();
    found('fibre/4', false);
    found('dsl/4', false);
    states.suspect('fibre/6', { since: 1000, reason: 'a test' });
    for (const name of ['fibre', 'dsl']) {
      states.setWeight(name, 7);
      states.setByHand(name, true);
    }
    clock.now = 2000;
    const targets = [TARGETS[0], { name: 'lte', families: [4] }, { name: 'cable', families: [4] }] as const;
    states.retarget(targets, { down: new Set(['cable/4', 'fibre/6']) });
    assert.deepEqual([...states.down], ['fibre/4', 'cable/4'], 'what works already does not start anew');
    assert.equal(states.suspicion('fibre/6')?.reason, 'a test');
    assert.deepEqual([states.state('fibre/4').since, states.state('lte/4').since], [1000, 2000]);
    assert.deepEqual([states.takes('lte/4'), states.takes('cable/4')], [true, false]);
    assert.deepEqual([[...states.weights], states.isByHand('fibre')], [[['fibre', 7]], true]);
    states.retarget(TARGETS);
    assert.deepEqual(
      [states.takes('dsl/4'), states.isByHand('dsl'), states.weight('dsl', 1)],
      [true, false, 1],
    );
  });

  it('keeps new connections off targets that are about to go, and only off those that took any', () => {
    const { states, found } = made();
    found('fibre/4', false);
    assert.deepEqual(states.withhold(['fibre/4', 'dsl/4']), ['dsl/4']);
    assert.deepEqual([states.takes('dsl/4'), states.down.has('dsl/4')], [false, false]);
    states.admit('dsl/4');
    assert.deepEqual([states.takes('dsl/4'), states.takes('fibre/4')], [true, false]);
  });

  it('says how long the previous state lasted, once for each change', () => {
    const { clock, states, found } = made();
    clock.now = 1500;
    assert.equal(found('fibre/4', true, 'it answers'), undefined);
    assert.deepEqual([states.state('fibre/4').since, states.state('fibre/4').reason], [1000, 'it answers']);
    clock.now = 3000;
    assert.equal(found('fibre/4', false), 2000);
    clock.now = 3500;
    assert.equal(found('fibre/4', false, 'another reason', 9000), undefined);
    assert.deepEqual(states.state('fibre/4'), {
      up: false,
      since: 3000,
      reason: 'another reason',
      heldUntil: 9000,
    });
    assert.equal(found('fibre/4', true), 500);
  });

  it('stops giving connections to a target that goes down at once, and gives them again after it was admitted', () => {
    const { states, found } = made();
    const fibre = TARGETS[0];
    found('fibre/4', false);
    assert.deepEqual([states.takes('fibre/4'), states.takes('fibre/6')], [false, true]);
    assert.equal(states.standing(fibre, 1), 'up');
    found('fibre/6', false);
    assert.equal(states.standing(fibre, 1), 'down');
    states.admit('fibre/4');
    assert.equal(states.takes('fibre/4'), false, 'it is down');
    found('fibre/4', true);
    assert.deepEqual([states.down.has('fibre/4'), states.takes('fibre/4')], [false, false]);
    states.admit('fibre/4');
    assert.equal(states.takes('fibre/4'), true);
    assert.deepEqual([...states.down], ['fibre/6']);
  });

  it('lets a target that was away briefly take as much as before, and one whose outage lasted warm up', () => {
    const { clock, states, found } = made(30_000);
    const id = 'dsl/4';
    const brief = (up: boolean) =>
      states.found(id, { up, since: clock.now, reason: 'a test', heldUntil: undefined, brief: true });
    const back = (come: () => unknown) => {
      come();
      states.admit(id);
      return states.warmUp(id);
    };
    brief(false);
    assert.equal(states.takes(id), false);
    assert.equal(
      back(() => brief(true)),
      1,
    );
    brief(false);
    assert.equal(found(id, false, 'it lasts'), undefined);
    assert.equal(
      back(() => found(id, true)),
      0.1,
    );
    clock.now += 10_000;
    brief(false);
    assert.equal(back(() => brief(true)).toFixed(2), '0.40', 'it goes on warming up');
    // Back for too short a time to be admitted, it is still cold.
    found(id, false);
    found(id, true);
    brief(false);
    assert.equal(
      back(() => brief(true)),
      0.1,
    );
  });

  it('hands out snapshots', () => {
    const { states, found } = made();
    found('dsl/4', false);
    states.setWeight('dsl', 7);
    const { down, weights } = states;
    found('dsl/4', true);
    states.setWeight('dsl', undefined);
    assert.deepEqual([[...down], [...weights]], [['dsl/4'], [['dsl', 7]]]);
    assert.deepEqual([states.down.size, states.weights.size], [0, 0]);
  });

  it('has a new version when a change affects who gets connections, and keeps it otherwise', () => {
    const { states, found } = made();
    const changes = (act: () => unknown) => {
      const before = states.version;
      act();
      return states.version !== before;
    };
    assert.deepEqual(
      [
        changes(() => found('dsl/4', false)),
        changes(() => found('dsl/4', false, 'why')),
        changes(() => found('dsl/4', true)),
        changes(() => states.admit('dsl/4')),
        changes(() => states.admit('dsl/4')),
        changes(() => states.setWeight('dsl', 0)),
        changes(() => states.setByHand('dsl', true)),
      ],
      [true, false, true, true, false, true, false],
    );
  });

  it('weighs by the weight that was set, else by the configured one; weight 0 drains', () => {
    const { states } = made();
    const dsl = TARGETS[1];
    assert.deepEqual([states.weight('dsl', 5), states.standing(dsl, 5)], [5, 'up']);
    states.setWeight('dsl', 0);
    assert.deepEqual([states.weight('dsl', 5), states.standing(dsl, 5)], [0, 'drain']);
  });

  it('warms up an admitted target, each family separately', () => {
    const { clock, states, found } = made(1000);
    for (const id of ['fibre/4', 'fibre/6'] as const) found(id, false);
    found('fibre/4', true);
    assert.equal(states.warmUp('fibre/4'), 1, 'it gets nothing yet');
    states.admit('fibre/4');
    assert.deepEqual([states.warmUp('fibre/4'), states.warmUp('fibre/6')], [0.1, 1]);
    clock.now += 500;
    assert.equal(states.warmUp('fibre/4'), 0.55);
    assert.deepEqual([states.isWarming(4), states.isWarming(6)], [true, false]);
    clock.now += 500;
    assert.deepEqual([states.warmUp('fibre/4'), states.isWarming(4)], [1, false]);
  });

  it('remembers why a target is suspected, from the first time on, until that ends or it goes down', () => {
    const { states, found } = made();
    const suspicion = { since: 1000, reason: 'it does not answer' };
    const before = states.version;
    states.suspect('fibre/4', suspicion);
    assert.notEqual(states.version, before);
    states.suspect('fibre/4', { since: 2000, reason: 'another reason' });
    assert.deepEqual(states.suspicion('fibre/4'), suspicion);
    assert.deepEqual([states.suspicion('fibre/6'), [...states.suspected]], [undefined, ['fibre/4']]);
    assert.deepEqual([states.takes('fibre/4'), states.down.size], [true, 0], 'it is not down');
    states.suspect('fibre/4', undefined);
    assert.equal(states.suspected.size, 0);
    const after = states.version;
    states.suspect('fibre/4', undefined);
    assert.equal(states.version, after, 'nothing changed');
    states.suspect('fibre/4', suspicion);
    found('fibre/4', false);
    found('fibre/4', true);
    assert.equal(states.suspicion('fibre/4'), undefined);
  });
});
