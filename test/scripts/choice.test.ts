/**
 * The kernel's choice, from the rules as they are printed, by the kernel's own arithmetic (statistic_mt of
 * xt_statistic.c) and iptables' reading of the words (libxt_statistic.c).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { weighted } from '#wanmark/core/strategies/weighted.js';
import { flow, wan } from '../unit/flows.js';

const SCRIPTS = fileURLToPath(new URL('../../scripts/', import.meta.url));
const MASK = '0xff';

/** The rules for each list of weights; WAN i + 1 has weights[i]. */
function render(mode: string, lists: readonly number[][], extra = ''): string[][] {
  const input = lists.map((weights) => weights.map((w, i) => `0x${(i + 1).toString(16)} ${w}\n`).join(''));
  const script = `. "$1/choice.sh"; WANMARK_KERNEL_MODE=$2
    ${input.map((text) => `choice_rules CHAIN ${MASK} '${extra}' <<E\n${text}E\necho end`).join('\n')}`;
  const { status, stdout, stderr } = spawnSync('sh', ['-eu', '-s', SCRIPTS, mode], {
    input: script,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  assert.equal(status, 0, stderr);
  return stdout
    .split('end\n')
    .slice(0, -1)
    .map((text) => text.split('\n').slice(0, -1));
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

/** What each WAN gets of 1: each rule matches when 31 random bits are below its number. */
function sharesOf(rules: readonly string[], count: number): number[] {
  const shares = Array<number>(count).fill(0);
  let left = 1;
  for (const { probability, wan } of parse(rules)) {
    // `lround(0x80000000 * value)`; at 2^31 all match.
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
    // iptables hands the kernel every - 1, and as its first count every - 1 - packet.
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

/** mulberry32, so that a failure can be run again. */
function seeded(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
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
      // Small ones, any, and very different ones.
      Array.from({ length: 1 + whole(i % 3 === 0 ? 254 : 9) }, () =>
        i % 3 === 1 ? whole(9) : i % 3 === 2 ? Math.floor(65535 ** random()) : whole(65535),
      ),
    ),
  ].filter((weights) => sum(weights) > 0);

  test('every share is right to 1e-6, and who has a weight has a share', () => {
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

test('more matches stand before the statistic match, which counts what comes to it', () => {
  for (const mode of ['nth', 'random']) {
    for (const [i, rule] of render(mode, [[2, 1]], '-p tcp --dport 80')[0]!.entries()) {
      assert.match(rule, /^-A CHAIN -m mark --mark 0x0\/0xff -p tcp --dport 80 (-m statistic .*)?-j MARK/);
      assert.equal(rule.includes('statistic'), i < (mode === 'nth' ? 2 : 1));
    }
  }
});

test('no weight, no rule', () => assert.deepEqual(render('nth', [[0, 0]])[0], []));
