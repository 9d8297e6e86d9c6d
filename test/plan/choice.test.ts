/**
 * The shares of the kernel's choice, computed from the rendered rules by the kernel's own arithmetic (statistic_mt of
 * xt_statistic.c) and iptables' reading of the words (libxt_statistic.c).
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { weighted } from '#wanmark/core/strategies/weighted.js';
import { MOST_SLOTS, rotation as rotationOf, slots, tooLong } from '#wanmark/plan/choice.js';
import type { Choice, Match } from '#wanmark/plan/plan.js';
import { iptablesLines } from '#wanmark/plan/render/iptables.js';
import { seeded } from '../helpers/random.js';
import { flow, wan } from '../unit/flows.js';

const NOTHING = { chains: [], hooks: [] };

/** The rules for each list of weights. WAN i + 1 has weights[i]; one without a weight is not a candidate. */
function render(
  mode: Choice['mode'],
  lists: readonly (readonly number[])[],
  when: readonly Match[] = [],
): string[][] {
  return lists.map((weights) => {
    const shares = weights
      .map((weight, i) => ({ name: `wan${i + 1}`, value: i + 1, weight }))
      .filter(({ weight }) => weight > 0);
    const rules = [{ when, action: { kind: 'choose', choice: { mask: 0xff, mode, shares } } } as const];
    const mangle = { chains: [{ name: 'CHAIN', rules }], hooks: [] };
    const stages = { nat: NOTHING, filter: NOTHING, mangle };
    return iptablesLines({ served: true, sets: new Map(), rules: [], routes: [], stages }, 'mangle').slice(1);
  });
}

const RULE =
  /^-A CHAIN -m mark --mark 0x0\/0xff (?:-m statistic --mode (?:random --probability (\S+)|nth --every (\d+) --packet (\d+)) )?-j MARK --set-xmark (0x[0-9a-f]+)\/0xff$/;

function parse(rules: readonly string[]) {
  return rules.map((rule) => {
    const match = RULE.exec(rule);
    assert.ok(match, rule);
    const [, probability, every, packet, mark] = match;
    return { probability, every, packet, wan: Number(mark) - 1 };
  });
}

/** The part of all packets that each WAN gets: a rule matches when 31 random bits are below its number. */
function sharesOf(rules: readonly string[], count: number): number[] {
  const shares = Array<number>(count).fill(0);
  let left = 1;
  for (const { probability, wan } of parse(rules)) {
    // The number is `lround(0x80000000 * value)`; at 2^31 every packet matches.
    const part = probability === undefined ? 1 : Math.round(2 ** 31 * Number(probability)) / 2 ** 31;
    shares[wan]! += left * part;
    left -= left * part;
  }
  assert.equal(left, 0, 'the last rule takes the rest');
  return shares;
}

/** The WANs of `turns` packets in a row. */
function rotation(rules: readonly string[], turns: number): number[] {
  const counters = parse(rules).map(({ every, packet, wan }) => {
    // iptables hands the kernel every - 1, and every - 1 - packet as its first count.
    const last = Number(every ?? 1) - 1;
    return { last, count: last - Number(packet ?? 0), wan };
  });
  return Array.from({ length: turns }, () => {
    for (const counter of counters) {
      counter.count = counter.count === counter.last ? 0 : counter.count + 1;
      if (counter.count === 0) return counter.wan;
    }
    throw new Error('a packet that no rule took');
  });
}

const sum = (weights: readonly number[]) => weights.reduce((total, weight) => total + weight, 0);
const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

describe('random', () => {
  const random = seeded(4);
  const whole = (max: number) => Math.floor(random() * (max + 1));
  const lists = [
    [1],
    [1, 1, 1, 1],
    [30, 30, 30, 10],
    [65535, 1],
    [1, 65535],
    Array(255).fill(65535),
    [1, ...Array(254).fill(65535)],
    [...Array(254).fill(65535), 1],
    [65535, ...Array(254).fill(1)],
    [0, 0, 7],
    ...Array.from({ length: 150 }, (_, i) =>
      // Small weights, any weights, and very different weights.
      Array.from({ length: 1 + whole(i % 3 === 0 ? 254 : 9) }, () =>
        i % 3 === 1 ? whole(9) : i % 3 === 2 ? Math.floor(65535 ** random()) : whole(65535),
      ),
    ),
  ].filter((weights) => sum(weights) > 0);

  test('every share is right to 1e-6, and every WAN with a weight has a share', () => {
    const rendered = render('random', lists);
    assert.equal(rendered.length, lists.length);
    for (const [i, weights] of lists.entries()) {
      const shares = sharesOf(rendered[i]!, weights.length);
      for (const [k, weight] of weights.entries()) {
        const what = `WAN ${k + 1} of ${weights.join()}: ${shares[k]}`;
        assert.ok(Math.abs(shares[k]! - weight / sum(weights)) < 1e-6, what);
        assert.equal(shares[k]! > 0, weight > 0, what);
      }
    }
  });

  test('the digits are those that iptables prints: it reads them without loss', () => {
    for (const rules of render('random', lists.slice(0, 30))) {
      for (const { probability } of parse(rules)) {
        if (probability === undefined) continue;
        const steps = Math.round(2 ** 31 * Number(probability));
        assert.equal((steps / 2 ** 31).toFixed(11), probability);
        assert.ok(steps > 0 && steps < 2 ** 31);
      }
    }
  });

  test('equal shares: 1/4, 1/3, 1/2, the rest', () => {
    assert.deepEqual(
      parse(render('random', [[1, 1, 1, 1]])[0]!).map(({ probability }) => probability),
      ['0.25000000000', '0.33333333349', '0.50000000000', undefined],
    );
  });
});

describe('nth', () => {
  const random = seeded(5);
  const lists = [
    [1],
    [1, 1, 1, 1],
    [5, 3, 1],
    [30, 30, 30, 10],
    [65535, 65535],
    [255, 1],
    [0, 2, 0, 4],
    Array(255).fill(3),
    ...Array.from({ length: 60 }, () =>
      Array.from({ length: 1 + Math.floor(random() * 8) }, () => Math.floor(random() * 30)),
    ),
  ].filter((weights) => sum(weights) > 0);

  test('every window of sum(weights)/gcd choices has exactly the weights', () => {
    const rendered = render('nth', lists);
    for (const [i, weights] of lists.entries()) {
      const divisor = weights.reduce(gcd);
      const size = sum(weights) / divisor;
      const wans = rotation(rendered[i]!, 4 * size);
      const counts = Array<number>(weights.length).fill(0);
      for (const [turn, chosen] of wans.entries()) {
        counts[chosen]!++;
        if (turn >= size) counts[wans[turn - size]!]!--;
        if (turn < size - 1) continue;
        assert.deepEqual(
          counts,
          weights.map((weight) => weight / divisor),
          `${weights.join()} at ${turn}`,
        );
      }
    }
  });

  test('the order is that of the strategy `weighted`', () => {
    const weights = [5, 1, 3];
    const wans = weights.map((weight, i) => wan(i + 1, { weight }));
    const strategy = weighted({ random: () => 0, now: () => 0, connections: () => 0 });
    const order = Array.from({ length: 18 }, () => strategy.pick(flow({}), wans).mark - 1);
    assert.deepEqual(rotation(render('nth', [weights])[0]!, 18), order);
  });

  test('equal: --every 4, 3, 2, the rest', () => {
    assert.deepEqual(
      parse(render('nth', [[7, 7, 7, 7]])[0]!).map(({ every }) => every),
      ['4', '3', '2', undefined],
    );
  });
});

test('other matches stand before the statistic match, which counts the packets that reach it', () => {
  const when = [{ kind: 'transport', proto: 'tcp', dport: { low: 80, high: 80 } }] as const;
  for (const mode of ['nth', 'random'] as const) {
    for (const [i, rule] of render(mode, [[2, 1]], when)[0]!.entries()) {
      assert.match(rule, /^-A CHAIN -p tcp --dport 80 -m mark --mark 0x0\/0xff (-m statistic .*)?-j MARK/);
      assert.equal(rule.includes('statistic'), i < (mode === 'nth' ? 2 : 1));
    }
  }
});

test('no weight, no rule', () => {
  for (const mode of ['nth', 'random'] as const) assert.deepEqual(render(mode, [[0, 0]])[0], []);
});

describe('the length of a rotation', () => {
  const shares = (...weights: number[]) =>
    weights.map((weight, i) => ({ name: `${i}`, value: i + 1, weight }));

  test('is the sum of the weights divided by their greatest common divisor', () => {
    assert.equal(slots(shares(65280, 256)), 256);
    assert.equal(slots(shares(4, 2)), 3);
    assert.equal(slots([]), 0);
    assert.equal(rotationOf(shares(65280, 256)).length, 256);
  });

  test(`is refused beyond ${MOST_SLOTS}, but where nothing rotates`, () => {
    assert.equal(tooLong('WANs', 'nth', shares(255, 1)), undefined);
    assert.equal(
      tooLong('WANs', 'nth', shares(200, 57)),
      'WANs: the weights make a rotation of 257, more than 256; use smaller weights, or kernel mode random',
    );
    assert.equal(tooLong('WANs', 'random', shares(200, 57)), undefined);
  });
});
