import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Candidate } from '#wanmark/core/candidate.js';
import { SlowStart } from '#wanmark/core/slow-start.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import { targetId } from '#wanmark/core/target.js';
import { type Wan, wanTarget } from '#wanmark/core/wan.js';
import { flow, poolOf, statesOf, turn, wan } from '../flows.js';

const LENGTH_MS = 30_000;

/** A pool of `wans` with a clock of its own; `back` takes the named WANs down and brings them up again in IPv4. */
function slow(wans: readonly Wan[], name = 'round-robin') {
  const clock = { now: 0 };
  const states = statesOf(wans, LENGTH_MS, () => clock.now);
  const strategy = STRATEGIES.get(name)!({ random: () => 0.5, now: () => clock.now, connections: () => 0 });
  const pool = poolOf(wans, strategy, states);
  const back = (...which: Wan[]) => {
    for (const up of [false, true]) for (const one of which) turn(states, one, up, [4]);
  };
  const warmUp = (one: Wan) =>
    Math.min(...wanTarget(one).families.map((family) => states.warmUp(targetId(one.name, family))));
  const names = (count: number, family = 4) =>
    Array.from({ length: count }, () => pool.select(flow({ family }))?.target.name);
  const shares = (count: number, family = 4) => {
    const picks: Record<string, number> = {};
    for (const one of names(count, family)) picks[one!] = (picks[one!] ?? 0) + 1;
    return picks;
  };
  return { clock, states, warmUp, back, names, shares };
}

describe('the slow start', () => {
  it('gives a tenth of the share at first, and a growing part, exactly', () => {
    const [one, two] = [wan(1), wan(2)];
    const { clock, warmUp, back, names, shares } = slow([one, two]);
    assert.deepEqual(shares(20), { wan1: 10, wan2: 10 });
    back(two);
    assert.equal(warmUp(two), 0.1);
    // Every second connection is offered to the warming WAN, and of ten offers it takes the last.
    assert.deepEqual(
      names(40).flatMap((name, i) => (name === 'wan2' ? [i] : [])),
      [19, 39],
    );
    clock.now = LENGTH_MS / 3;
    assert.equal(warmUp(two), 0.4);
    assert.deepEqual(shares(100), { wan1: 80, wan2: 20 });
    clock.now = (2 * LENGTH_MS) / 3;
    assert.deepEqual(shares(100), { wan1: 65, wan2: 35 });
    clock.now = LENGTH_MS;
    assert.equal(warmUp(two), 1);
    assert.deepEqual(shares(100), { wan1: 50, wan2: 50 });
  });

  it('takes a part of what the strategy gives it; the same strategy gives the rest to the others', () => {
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

  it('gives each of several warming WANs its part, and leaves the rest to the warm ones', () => {
    const wans = [wan(1), wan(2), wan(3)];
    const { back, shares } = slow(wans);
    back(wans[0]!, wans[1]!);
    assert.deepEqual(shares(300), { wan1: 10, wan2: 10, wan3: 280 });
  });

  it('does not hold back the only candidate, nor WANs that are all warming up', () => {
    const wans = [wan(1), wan(2), wan(3, { tier: 2 })];
    const { states, back, shares } = slow(wans);
    back(wans[0]!, wans[1]!);
    assert.deepEqual(shares(20), { wan1: 10, wan2: 10 });
    turn(states, wans[0]!, false, [4]);
    assert.deepEqual(shares(20), { wan2: 20 });
  });

  it('is for one family, and begins anew each time a WAN comes up; a WAN that stays up is not slow', () => {
    const wans = [wan(1), wan(2)];
    const { clock, states, warmUp, back, shares } = slow(wans);
    turn(states, wans[1]!, true, [4]);
    assert.equal(warmUp(wans[1]!), 1);
    back(wans[1]!);
    assert.deepEqual(shares(20, 6), { wan1: 10, wan2: 10 });
    clock.now = LENGTH_MS / 2;
    back(wans[1]!);
    assert.equal(warmUp(wans[1]!), 0.1);
  });

  it('ends for a WAN that is not a candidate, too, so that packets cost nothing more', () => {
    const wans = [wan(1), wan(2, { tier: 2 })];
    const { clock, states, back } = slow(wans);
    back(wans[1]!);
    assert.deepEqual([states.isWarming(4), states.isWarming(6)], [true, false]);
    clock.now = LENGTH_MS;
    assert.equal(states.isWarming(4), false);
  });

  it('asks the strategy with the arrays that it knows, whichever WAN is warming up', () => {
    const wans = [wan(1), wan(2)];
    const asked: (readonly Candidate[])[] = [];
    const strategy = {
      pick(_flow: unknown, all: readonly Candidate[]) {
        asked.push(all);
        return all.at(-1)!;
      },
    };
    const states = statesOf(wans, LENGTH_MS);
    const pool = poolOf(wans, strategy, states);
    turn(states, wans[1]!, false, [4]);
    pool.select(flow());
    turn(states, wans[1]!, true, [4]);
    pool.select(flow());
    assert.deepEqual(
      asked.map((all) => all.map(({ name }) => name)),
      [['wan1'], ['wan1', 'wan2'], ['wan1']],
    );
    assert.equal(asked[0], asked[2]);
  });

  it('does nothing with length 0', () => {
    const slowStart = new SlowStart(0, () => 0);
    slowStart.begin('wan1/4');
    assert.equal(slowStart.active(4), false);
  });
});
