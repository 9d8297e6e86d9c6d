// The strategies that look at connection counts. In these tests the counts are a table, and each decision adds one at
// once, as ConntrackCounter.decided does.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Candidate } from '#wanmark/core/candidate.js';
import { Counts } from '#wanmark/core/counts.js';
import { ALIASES, STRATEGIES } from '#wanmark/core/strategies/registry.js';
import { seeded } from '../../helpers/random.js';
import { flow, wan } from '../flows.js';

/** A strategy with the connection counts that it sees; `pick(n)` decides n times. */
function make(name: string, wans: readonly Candidate[], held: readonly number[] = []) {
  const table = new Map(wans.map((wan, i) => [wan, held[i] ?? 0]));
  const connections = (wan: Candidate) => table.get(wan)!;
  const strategy = STRATEGIES.get(name)!({ random: seeded(11), now: () => 0, connections });
  return {
    table,
    pick(count: number): number[] {
      return Array.from({ length: count }, () => {
        const chosen = strategy.pick(flow(), wans);
        table.set(chosen, table.get(chosen)! + 1);
        return wans.indexOf(chosen) + 1;
      });
    },
  };
}

function tally(picks: readonly number[], wans: readonly Candidate[]): number[] {
  return wans.map((_, i) => picks.filter((pick) => pick === i + 1).length);
}

const EQUAL: readonly Candidate[] = [wan(1), wan(2), wan(3)];
const THREE_TO_ONE = [wan(1, { weight: 3 }), wan(2, { weight: 1 })];

describe('least-connections', () => {
  it('spreads a burst of 300 over three equal WANs as 100 each', () => {
    assert.deepEqual(tally(make('least-connections', EQUAL).pick(300), EQUAL), [100, 100, 100]);
  });

  it('keeps 3:1 at every multiple of 4', () => {
    const picks = make('least-connections', THREE_TO_ONE).pick(400);
    for (let n = 4; n <= 400; n += 4) {
      assert.deepEqual(tally(picks.slice(0, n), THREE_TO_ONE), [(3 * n) / 4, n / 4], `after ${n}`);
    }
  });

  it('sends nothing to a WAN that holds 60 until the others have as many', () => {
    const lab = make('least-connections', EQUAL, [60, 0, 0]);
    assert.deepEqual(tally(lab.pick(60), EQUAL), [0, 30, 30]);
    assert.deepEqual(tally(lab.pick(60), EQUAL), [0, 30, 30]);
    assert.deepEqual(tally(lab.pick(60), EQUAL), [20, 20, 20]);
  });

  it('breaks ties in smooth weighted order', () => {
    const wans = [wan(1, { weight: 5 }), wan(2), wan(3)];
    const strategy = STRATEGIES.get('least-connections')!({
      random: Math.random,
      now: () => 0,
      // Each WAN has one connection less than its weight, so (connections + 1) / weight is 1 everywhere.
      connections: (wan) => wan.weight - 1,
    });
    const picks = Array.from({ length: 7 }, () => strategy.pick(flow(), wans).mark);
    assert.deepEqual(picks, [1, 1, 2, 1, 3, 1, 1]);
  });

  it('does not remember who was busy', () => {
    const lab = make('least-connections', EQUAL, [1000, 0, 0]);
    lab.pick(2000);
    assert.deepEqual([...lab.table.values()], [1000, 1000, 1000]);
    assert.deepEqual(tally(lab.pick(3), EQUAL), [1, 1, 1]);
  });
});

describe('shortest-expected-delay', () => {
  it('takes the first of the list where delays are equal', () => {
    assert.deepEqual(make('shortest-expected-delay', EQUAL).pick(4), [1, 2, 3, 1]);
    assert.deepEqual(make('shortest-expected-delay', THREE_TO_ONE).pick(5), [1, 1, 1, 2, 1]);
  });

  it('lets the faster one take a second connection before the slower one its first', () => {
    const wans = [wan(1, { weight: 1 }), wan(2, { weight: 3 })];
    assert.deepEqual(make('shortest-expected-delay', wans, [0, 1]).pick(1), [2]);
  });
});

describe('never-queue', () => {
  it('takes an idle WAN although a faster one would be done sooner', () => {
    const wans = [wan(1, { weight: 1 }), wan(2, { weight: 3 })];
    assert.deepEqual(make('never-queue', wans, [0, 1]).pick(1), [1]);
  });

  it('acts like shortest-expected-delay when all are in use', () => {
    const held = [4, 7];
    assert.deepEqual(
      make('never-queue', THREE_TO_ONE, held).pick(100),
      make('shortest-expected-delay', THREE_TO_ONE, held).pick(100),
    );
  });
});

describe('two-choices', () => {
  it('with two WANs always takes the less loaded', () => {
    assert.deepEqual(tally(make('two-choices', THREE_TO_ONE, [0, 100]).pick(300), THREE_TO_ONE), [300, 0]);
  });

  it('never takes the most loaded of three, and takes both others', () => {
    const [most, ...others] = tally(make('two-choices', EQUAL, [1e6, 0, 0]).pick(300), EQUAL);
    assert.equal(most, 0);
    assert.ok(
      others.every((picks) => picks > 100),
      String(others),
    );
  });

  it('gives shares near the weights', () => {
    const wans = [wan(1, { weight: 3 }), wan(2), wan(3)];
    const [a, b, c] = tally(make('two-choices', wans).pick(5000), wans);
    assert.ok(
      Math.abs(a! - 3000) < 30 && Math.abs(b! - 1000) < 30 && Math.abs(c! - 1000) < 30,
      `${a} ${b} ${c}`,
    );
  });

  it('takes the only one, and stays inside at both ends of the draw', () => {
    assert.deepEqual(make('two-choices', [wan(1)]).pick(2), [1, 1]);
    for (const value of [0, 1 - Number.EPSILON]) {
      const context = { random: () => value, now: () => 0, connections: () => 0 };
      assert.ok(EQUAL.includes(STRATEGIES.get('two-choices')!(context).pick(flow(), EQUAL)));
    }
  });
});

const COUNTING = new Set(['least-connections', 'shortest-expected-delay', 'never-queue', 'two-choices']);

describe('who needs counts', () => {
  for (const [name, factory] of STRATEGIES) {
    it(`${name} ${COUNTING.has(name) ? 'does' : 'does not'}`, () => {
      assert.deepEqual(factory.needs ?? [], COUNTING.has(name) ? ['connections'] : []);
      let asked = false;
      const connections = () => {
        asked = true;
        return 0;
      };
      const wans = [wan(1), wan(2)];
      factory({ random: () => 0, now: () => 0, connections }).pick(flow(), wans);
      assert.equal(asked, COUNTING.has(name), 'it says what it does');
    });
  }
});

describe('Counts', () => {
  it('are 0 without a source, and then those of the source', () => {
    const counts = new Counts();
    const { connections } = counts;
    assert.equal(connections(wan(2)), 0);
    counts.source = (mark) => 10 * mark;
    assert.equal(connections(wan(2)), 20);
  });
});

describe('the short names of strategies that count', () => {
  it('are those of IPVS, and p2c', () => {
    for (const [alias, name] of [
      ['lc', 'least-connections'],
      ['wlc', 'least-connections'],
      ['sed', 'shortest-expected-delay'],
      ['nq', 'never-queue'],
      ['p2c', 'two-choices'],
      ['twos', 'two-choices'],
    ] as const) {
      assert.equal(ALIASES.get(alias), name);
    }
  });
});
