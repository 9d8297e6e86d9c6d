import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Fault, Selector } from '#wanmark/core/selector.js';
import type { Strategy } from '#wanmark/core/strategy.js';
import type { Wan } from '#wanmark/core/wan.js';
import { flow, wan } from '../flows.js';

/** A selector whose strategy takes the last candidate and notes which candidates it was given. */
function recorded(wans: readonly Wan[]) {
  const asked: (readonly Wan[])[] = [];
  const strategy: Strategy = {
    pick(_flow, candidates) {
      asked.push(candidates);
      return candidates.at(-1)!;
    },
  };
  return { selector: new Selector(wans, strategy, assert.fail), asked };
}

function setDown(selector: Selector, wan: Wan, down: boolean): void {
  for (const family of [4, 6] as const) selector.setDown(wan, family, down);
}

const names = (wans: readonly Wan[] | undefined) => wans?.map(({ name }) => name);

describe('Selector', () => {
  it('offers the WANs of the lowest tier that can carry the family and are not drained', () => {
    const { selector, asked } = recorded([
      wan(1, { tier: 2 }),
      wan(2, { via6: undefined }),
      wan(3, { weight: 0 }),
      wan(4),
      wan(5, { via: undefined }),
    ]);
    assert.equal(selector.select(flow())?.name, 'wan4');
    assert.equal(selector.select(flow({ family: 6 }))?.name, 'wan5');
    assert.deepEqual(asked.map(names), [
      ['wan2', 'wan4'],
      ['wan4', 'wan5'],
    ]);
  });

  it('goes to a higher tier only when every lower one is down, and back', () => {
    const wans = [wan(1), wan(2), wan(3, { tier: 7 })];
    const { selector } = recorded(wans);
    assert.equal(selector.select(flow())?.name, 'wan2');
    setDown(selector, wans[1]!, true);
    assert.equal(selector.select(flow())?.name, 'wan1');
    setDown(selector, wans[0]!, true);
    assert.equal(selector.select(flow())?.name, 'wan3');
    setDown(selector, wans[1]!, false);
    assert.equal(selector.select(flow())?.name, 'wan2');
  });

  it('hands the same array for the same set, so that strategies can key state by it', () => {
    const wans = [wan(1), wan(2)];
    const { selector, asked } = recorded(wans);
    selector.select(flow());
    setDown(selector, wans[0]!, true);
    selector.select(flow());
    setDown(selector, wans[0]!, false);
    selector.select(flow({ family: 6 }));
    assert.equal(asked[0], asked[2]);
    assert.notEqual(asked[0], asked[1]);
  });

  it('tells states apart', () => {
    const wans = [wan(1), wan(2, { weight: 0 }), wan(3)];
    const { selector } = recorded(wans);
    setDown(selector, wans[2]!, true);
    assert.deepEqual(
      wans.map((one) => selector.state(one)),
      ['up', 'drain', 'down'],
    );
  });

  it('takes a WAN out in one family only, and calls it down when it is so in all that it carries', () => {
    const wans = [wan(1), wan(2), wan(3, { via6: undefined })];
    const { selector } = recorded(wans);
    const picked = () => [4, 6].map((family) => selector.select(flow({ family }))?.name);
    selector.setDown(wans[1]!, 6, true);
    assert.deepEqual(picked(), ['wan3', 'wan1']);
    assert.equal(selector.state(wans[1]!), 'up');
    selector.setDown(wans[2]!, 4, true);
    assert.deepEqual(picked(), ['wan2', 'wan1']);
    assert.equal(selector.state(wans[2]!), 'down');
    selector.setDown(wans[0]!, 6, true);
    assert.deepEqual(picked(), ['wan2', undefined]);
    assert.deepEqual([selector.serves(4), selector.serves(6)], [true, false]);
  });

  it('takes weights of the moment: 0 drains, and who had 0 may take', () => {
    const wans = [wan(1, { weight: 5 }), wan(2, { weight: 0 }), wan(3)];
    const { selector, asked } = recorded(wans);
    const offered = () => {
      selector.select(flow());
      return asked.at(-1)!.map(({ name, weight }) => `${name}=${weight}`);
    };
    assert.deepEqual(offered(), ['wan1=5', 'wan3=1']);
    selector.setWeight(wans[0]!, 0);
    selector.setWeight(wans[1]!, 7);
    assert.deepEqual(offered(), ['wan2=7', 'wan3=1']);
    assert.deepEqual(
      wans.map((one) => [selector.weight(one), selector.state(one)]),
      [
        [0, 'drain'],
        [7, 'up'],
        [1, 'up'],
      ],
    );
    selector.setWeight(wans[0]!, undefined);
    selector.setWeight(wans[1]!, 0);
    assert.deepEqual(offered(), ['wan1=5', 'wan3=1']);
    assert.equal(asked.at(-1)![0], wans[0], 'the very WAN again');
  });

  it('hands another array for other weights, and the same as long as they stay', () => {
    const wans = [wan(1), wan(2)];
    const { selector, asked } = recorded(wans);
    selector.select(flow());
    selector.setWeight(wans[0]!, 3);
    selector.select(flow());
    setDown(selector, wans[1]!, true);
    setDown(selector, wans[1]!, false);
    selector.setWeight(wans[0]!, 3);
    selector.select(flow());
    assert.notEqual(asked[0], asked[1]);
    assert.deepEqual(names(asked[1]), ['wan1', 'wan2']);
    assert.equal(asked[1], asked[2]);
  });

  it('leaves the lowest tier when all in it are drained', () => {
    const wans = [wan(1), wan(2, { tier: 2 })];
    const { selector } = recorded(wans);
    selector.setWeight(wans[0]!, 0);
    assert.equal(selector.select(flow())?.name, 'wan2');
    // Known by its mark, whatever object it is.
    selector.setWeight(wans[0]!, 2);
    const weighed = selector.select(flow())!;
    assert.equal(weighed.weight, 2);
    setDown(selector, weighed, true);
    assert.deepEqual([selector.select(flow())?.name, selector.state(wans[0]!)], ['wan2', 'down']);
  });

  it('chooses nothing without candidates or for a packet that is no IP', () => {
    const wans = [wan(1, { via6: undefined })];
    const { selector, asked } = recorded(wans);
    assert.equal(selector.select(flow({ family: 6 })), undefined);
    assert.equal(selector.select(flow({ family: 0 })), undefined);
    setDown(selector, wans[0]!, true);
    assert.equal(selector.select(flow()), undefined);
    assert.equal(asked.length, 0);
  });

  it('reports a strategy that throws or returns what is no candidate, and chooses nothing', () => {
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
    const selector = new Selector([wan(1)], strategy, (fault, error) => faults.push([fault, error]));
    for (let i = 0; i < 4; i++) assert.equal(selector.select(flow()), undefined);
    assert.deepEqual(
      faults.map(([fault]) => fault),
      ['threw', 'returned no candidate', 'returned no candidate', 'returned no candidate'],
    );
  });
});
