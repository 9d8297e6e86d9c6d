import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Selector } from '#wanmark/core/selector.js';
import { SlowStart } from '#wanmark/core/slow-start.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import type { Wan } from '#wanmark/core/wan.js';
import { flow, wan } from '../flows.js';

const LENGTH_MS = 30_000;

/** A selector over `wans` with a clock of its own; `back` takes WANs down and brings them up. */
function slow(wans: readonly Wan[], name = 'round-robin') {
  const clock = { now: 0 };
  const slowStart = new SlowStart(LENGTH_MS, () => clock.now);
  const strategy = STRATEGIES.get(name)!({ random: () => 0.5, now: () => clock.now, connections: () => 0 });
  const selector = new Selector(wans, strategy, assert.fail, slowStart);
  const back = (...which: Wan[]) => {
    for (const down of [true, false]) for (const one of which) selector.setDown(one, 4, down);
  };
  const names = (count: number, family = 4) =>
    Array.from({ length: count }, () => selector.select(flow({ family }))?.name);
  const shares = (count: number, family = 4) => {
    const picks: Record<string, number> = {};
    for (const one of names(count, family)) picks[one!] = (picks[one!] ?? 0) + 1;
    return picks;
  };
  return { clock, selector, slowStart, back, names, shares };
}

describe('the slow start', () => {
  it('gives a tenth of the share at first, and a growing part, exactly', () => {
    const [one, two] = [wan(1), wan(2)];
    const { clock, selector, back, names, shares } = slow([one, two]);
    assert.deepEqual(shares(20), { wan1: 10, wan2: 10 });
    back(two);
    assert.equal(selector.warmUp(two), 0.1);
    // Each second one is offered to it, and of ten offers it takes the last.
    assert.deepEqual(
      names(40).flatMap((name, i) => (name === 'wan2' ? [i] : [])),
      [19, 39],
    );
    clock.now = LENGTH_MS / 3;
    assert.equal(selector.warmUp(two), 0.4);
    assert.deepEqual(shares(100), { wan1: 80, wan2: 20 });
    clock.now = (2 * LENGTH_MS) / 3;
    assert.deepEqual(shares(100), { wan1: 65, wan2: 35 });
    clock.now = LENGTH_MS;
    assert.equal(selector.warmUp(two), null);
    assert.deepEqual(shares(100), { wan1: 50, wan2: 50 });
  });

  it('takes a part of what the strategy gives, and the others have the rest by the same strategy', () => {
    const wans = [wan(1, { weight: 3 }), wan(2, { weight: 2 }), wan(3, { weight: 5 })];
    const { back, shares } = slow(wans, 'weighted');
    back(wans[2]!);
    assert.deepEqual(shares(1000), { wan1: 570, wan2: 380, wan3: 50 });
  });

  for (const name of ['failover', 'source-hash', 'least-connections', 'two-choices', 'random']) {
    it(`${name}: never more than a tenth of all`, () => {
      const wans = [wan(1), wan(2), wan(3)];
      const { back, shares } = slow(wans, name);
      back(wans[0]!);
      const { wan1 = 0 } = shares(1000);
      assert.ok(wan1 <= 100, `${wan1}`);
      if (name === 'failover') assert.equal(wan1, 100);
    });
  }

  it('several that are warming have their part each, and what they leave is for those that are warm', () => {
    const wans = [wan(1), wan(2), wan(3)];
    const { back, shares } = slow(wans);
    back(wans[0]!, wans[1]!);
    assert.deepEqual(shares(300), { wan1: 10, wan2: 10, wan3: 280 });
  });

  it('spares nobody when there is no other: the only candidate, and all of them', () => {
    const wans = [wan(1), wan(2), wan(3, { tier: 2 })];
    const { selector, back, shares } = slow(wans);
    back(wans[0]!, wans[1]!);
    assert.deepEqual(shares(20), { wan1: 10, wan2: 10 });
    selector.setDown(wans[0]!, 4, true);
    assert.deepEqual(shares(20), { wan2: 20 });
  });

  it('is for one family, and begins anew with each time up; what only stays up is not slow', () => {
    const wans = [wan(1), wan(2)];
    const { clock, selector, back, shares } = slow(wans);
    selector.setDown(wans[1]!, 4, false);
    assert.equal(selector.warmUp(wans[1]!), null);
    back(wans[1]!);
    assert.deepEqual(shares(20, 6), { wan1: 10, wan2: 10 });
    clock.now = LENGTH_MS / 2;
    back(wans[1]!);
    assert.equal(selector.warmUp(wans[1]!), 0.1);
  });

  it('is over for a WAN that is no candidate, too, so that packets cost nothing more', () => {
    const wans = [wan(1), wan(2, { tier: 2 })];
    const { clock, slowStart, back } = slow(wans);
    back(wans[1]!);
    assert.deepEqual([slowStart.active(4), slowStart.active(6)], [true, false]);
    clock.now = LENGTH_MS;
    assert.equal(slowStart.active(4), false);
  });

  it('asks the strategy with the arrays that it knows, whoever is warming', () => {
    const wans = [wan(1), wan(2)];
    const asked: (readonly Wan[])[] = [];
    const strategy = {
      pick(_flow: unknown, all: readonly Wan[]) {
        asked.push(all);
        return all.at(-1)!;
      },
    };
    const selector = new Selector(wans, strategy, assert.fail, new SlowStart(LENGTH_MS, () => 0));
    selector.setDown(wans[1]!, 4, true);
    selector.select(flow());
    selector.setDown(wans[1]!, 4, false);
    selector.select(flow());
    assert.deepEqual(
      asked.map((all) => all.map(({ name }) => name)),
      [['wan1'], ['wan1', 'wan2'], ['wan1']],
    );
    assert.equal(asked[0], asked[2]);
  });

  it('of length 0 is none', () => {
    const slowStart = new SlowStart(0, () => 0);
    slowStart.begin(1, 4);
    assert.equal(slowStart.active(4), false);
  });
});
