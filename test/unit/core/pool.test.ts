import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Candidate } from '#wanmark/core/candidate.js';
import type { Fault } from '#wanmark/core/pool.js';
import type { States } from '#wanmark/core/states.js';
import type { Strategy } from '#wanmark/core/strategy.js';
import { targetId } from '#wanmark/core/target.js';
import { type Wan, wanTarget } from '#wanmark/core/wan.js';
import { flow, poolOf, statesOf, turn, wan } from '../flows.js';

/** A pool whose strategy takes the last candidate and notes which candidates it was given. */
function recorded(wans: readonly Wan[]) {
  const asked: (readonly Candidate[])[] = [];
  const strategy: Strategy = {
    pick(_flow, candidates) {
      asked.push(candidates);
      return candidates.at(-1)!;
    },
  };
  const states = statesOf(wans);
  const pool = poolOf(wans, strategy, states);
  const select = (fields = {}) => pool.select(flow(fields))?.candidate;
  const standing = (one: Wan) => states.standing(wanTarget(one), one.weight);
  return { pool, states, select, standing, asked };
}

const suspect = (states: States, { name }: Wan) =>
  states.suspect(targetId(name, 4), { since: 0, reason: 'a test' });

const names = (wans: readonly Candidate[] | undefined) => wans?.map(({ name }) => name);

describe('Pool', () => {
  it('offers the WANs of the lowest tier that can carry the family and are not drained', () => {
    const { select, asked } = recorded([
      wan(1, { tier: 2 }),
      wan(2, { via6: undefined }),
      wan(3, { weight: 0 }),
      wan(4),
      wan(5, { via: undefined }),
    ]);
    assert.equal(select()?.name, 'wan4');
    assert.equal(select({ family: 6 })?.name, 'wan5');
    assert.deepEqual(asked.map(names), [
      ['wan2', 'wan4'],
      ['wan4', 'wan5'],
    ]);
  });

  it('goes to a higher tier only when every lower one is down, and back', () => {
    const wans = [wan(1), wan(2), wan(3, { tier: 7 })];
    const { states, select } = recorded(wans);
    assert.equal(select()?.name, 'wan2');
    turn(states, wans[1]!, false);
    assert.equal(select()?.name, 'wan1');
    turn(states, wans[0]!, false);
    assert.equal(select()?.name, 'wan3');
    turn(states, wans[1]!, true);
    assert.equal(select()?.name, 'wan2');
  });

  it('hands the same array for the same set, so that strategies can key state by it', () => {
    const wans = [wan(1), wan(2)];
    const { states, select, asked } = recorded(wans);
    select();
    turn(states, wans[0]!, false);
    select();
    turn(states, wans[0]!, true);
    select({ family: 6 });
    assert.equal(asked[0], asked[2]);
    assert.notEqual(asked[0], asked[1]);
  });

  it('tells the three states apart', () => {
    const wans = [wan(1), wan(2, { weight: 0 }), wan(3)];
    const { states, standing } = recorded(wans);
    turn(states, wans[2]!, false);
    assert.deepEqual(
      wans.map((one) => standing(one)),
      ['up', 'drain', 'down'],
    );
  });

  it('takes a WAN out in one family only, and calls it down when it is so in all that it carries', () => {
    const wans = [wan(1), wan(2), wan(3, { via6: undefined })];
    const { pool, states, select, standing } = recorded(wans);
    const picked = () => [4, 6].map((family) => select({ family })?.name);
    turn(states, wans[1]!, false, [6]);
    assert.deepEqual(picked(), ['wan3', 'wan1']);
    assert.equal(standing(wans[1]!), 'up');
    turn(states, wans[2]!, false, [4]);
    assert.deepEqual(picked(), ['wan2', 'wan1']);
    assert.equal(standing(wans[2]!), 'down');
    turn(states, wans[0]!, false, [6]);
    assert.deepEqual(picked(), ['wan2', undefined]);
    assert.deepEqual([pool.candidates(4).length, pool.candidates(6).length], [2, 0]);
  });

  it('goes by the current weights: 0 drains, and a WAN that had 0 takes connections again', () => {
    const wans = [wan(1, { weight: 5 }), wan(2, { weight: 0 }), wan(3)];
    const { states, select, standing, asked } = recorded(wans);
    const offered = () => {
      select();
      return asked.at(-1)!.map(({ name, weight }) => `${name}=${weight}`);
    };
    assert.deepEqual(offered(), ['wan1=5', 'wan3=1']);
    states.setWeight(wans[0]!.name, 0);
    states.setWeight(wans[1]!.name, 7);
    assert.deepEqual(offered(), ['wan2=7', 'wan3=1']);
    assert.deepEqual(
      wans.map((one) => [states.weight(one.name, one.weight), standing(one)]),
      [
        [0, 'drain'],
        [7, 'up'],
        [1, 'up'],
      ],
    );
    states.setWeight(wans[0]!.name, undefined);
    states.setWeight(wans[1]!.name, 0);
    assert.deepEqual(offered(), ['wan1=5', 'wan3=1']);
    assert.equal(asked.at(-1)![0], wans[0], 'the very WAN again');
  });

  it('hands another array for other weights, and the same as long as they stay', () => {
    const wans = [wan(1), wan(2)];
    const { states, select, asked } = recorded(wans);
    select();
    states.setWeight(wans[0]!.name, 3);
    select();
    turn(states, wans[1]!, false);
    turn(states, wans[1]!, true);
    states.setWeight(wans[0]!.name, 3);
    select();
    assert.notEqual(asked[0], asked[1]);
    assert.deepEqual(names(asked[1]), ['wan1', 'wan2']);
    assert.equal(asked[1], asked[2]);
  });

  it('leaves the lowest tier when all in it are drained', () => {
    const wans = [wan(1), wan(2, { tier: 2 })];
    const { states, select, standing } = recorded(wans);
    states.setWeight(wans[0]!.name, 0);
    assert.equal(select()?.name, 'wan2');
    states.setWeight(wans[0]!.name, 2);
    assert.equal(select()?.weight, 2);
    turn(states, wans[0]!, false);
    assert.deepEqual([select()?.name, standing(wans[0]!)], ['wan2', 'down']);
  });

  it('gives a connection that was tried another WAN, of a higher tier when no other is left, and the same as the only one', () => {
    const wans = [wan(1), wan(2), wan(3, { tier: 2 }), wan(4, { weight: 0 })];
    const { pool, states, asked } = recorded(wans);
    const offered = (...tried: string[]) => {
      pool.select(flow(), new Set(tried));
      return names(asked.at(-1));
    };
    assert.deepEqual(offered(), ['wan1', 'wan2']);
    assert.deepEqual(offered('wan2'), ['wan1']);
    assert.deepEqual(offered('wan1', 'wan2'), ['wan3']);
    turn(states, wans[0]!, false);
    assert.deepEqual(offered('wan2'), ['wan3']);
    turn(states, wans[2]!, false);
    assert.deepEqual(offered('wan2'), ['wan2'], 'better than none');
    assert.deepEqual(offered('wan1'), ['wan2'], 'the others go on as usual');
  });

  it('says whether a connection could have another WAN than one', () => {
    const wans = [wan(1), wan(2, { tier: 2, via6: undefined }), wan(3, { weight: 0 })];
    const { pool, states } = recorded(wans);
    const has = () => [pool.hasOther('wan1', 4), pool.hasOther('wan1', 6), pool.hasOther('wan2', 4)];
    assert.deepEqual(has(), [true, false, true]);
    suspect(states, wans[1]!);
    assert.deepEqual(has(), [false, false, true], 'no use in a suspected one');
    turn(states, wans[1]!, false);
    assert.deepEqual(has(), [false, false, true]);
    turn(states, wans[0]!, false);
    assert.deepEqual(has(), [false, false, false]);
  });

  it('leaves suspected WANs out while another one works, if need be of a higher tier, and else uses them all the same', () => {
    const wans = [wan(1), wan(2), wan(3, { tier: 2 })];
    const { states, select, standing, asked } = recorded(wans);
    const offered = () => {
      select();
      return names(asked.at(-1));
    };
    suspect(states, wans[0]!);
    assert.deepEqual(offered(), ['wan2']);
    select({ family: 6 });
    assert.deepEqual(names(asked.at(-1)), ['wan1', 'wan2'], 'in one family');
    suspect(states, wans[1]!);
    assert.deepEqual(offered(), ['wan3']);
    suspect(states, wans[2]!);
    assert.deepEqual(offered(), ['wan1', 'wan2']);
    states.suspect('wan1/6', { since: 0, reason: 'a test' });
    assert.deepEqual(
      wans.map((one) => standing(one)),
      ['suspected', 'up', 'up'],
      'in all that it carries',
    );
    for (const one of wans) states.suspect(targetId(one.name, 4), undefined);
    assert.deepEqual(offered(), ['wan1', 'wan2']);
  });

  it('has members with a weight and a tier of their own, so that a WAN can be in several pools', () => {
    const wans = [wan(1), wan(2)];
    const states = statesOf(wans);
    const strategy: Strategy = { pick: (_flow, all) => all[0]! };
    const voice = poolOf([wan(2, { weight: 9 }), wan(1, { tier: 2 })], strategy, states);
    const rest = poolOf(wans, strategy, states);
    const picked = () => [voice, rest].map((pool) => pool.select(flow())?.candidate).map(String);
    const chosen = () =>
      [voice, rest].map((pool) => {
        const { name, weight, tier } = pool.select(flow())!.candidate;
        return `${name} ${weight} ${tier}`;
      });
    assert.deepEqual(chosen(), ['wan2 9 1', 'wan1 1 1']);
    turn(states, wans[1]!, false);
    assert.deepEqual(chosen(), ['wan1 1 2', 'wan1 1 1']);
    states.setWeight('wan1', 4);
    assert.deepEqual(chosen(), ['wan1 4 2', 'wan1 4 1']);
    turn(states, wans[0]!, false);
    assert.deepEqual(picked(), ['undefined', 'undefined']);
    assert.deepEqual(
      [voice, rest].map(({ members }) => members.map(({ picks }) => picks)),
      [
        [1, 2],
        [3, 0],
      ],
    );
  });

  it('chooses nothing without candidates or for a packet that is not IP', () => {
    const wans = [wan(1, { via6: undefined })];
    const { states, select, asked } = recorded(wans);
    assert.equal(select({ family: 6 }), undefined);
    assert.equal(select({ family: 0 }), undefined);
    turn(states, wans[0]!, false);
    assert.equal(select(), undefined);
    assert.equal(asked.length, 0);
  });

  it('reports a strategy that throws or returns something that is not a candidate, and chooses nothing', () => {
    const faults: [Fault, unknown][] = [];
    const answers: (() => unknown)[] = [
      () => {
        throw new Error('boom');
      },
      () => undefined,
      () => wan(1),
      () => 'wan1',
    ];
    const strategy: Strategy = { pick: () => answers.shift()!() as Wan };
    const wans = [wan(1)];
    const pool = poolOf(wans, strategy, statesOf(wans), (fault, error) => faults.push([fault, error]));
    for (let i = 0; i < 4; i++) assert.equal(pool.select(flow()), undefined);
    assert.deepEqual(
      faults.map(([fault]) => fault),
      ['threw', 'returned no candidate', 'returned no candidate', 'returned no candidate'],
    );
  });
});
