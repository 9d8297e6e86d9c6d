import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Counts } from '#wanmark/core/counts.js';
import type { Fault } from '#wanmark/core/fault.js';
import { hasSequence, Sequence, type SequenceStrategy } from '#wanmark/core/sequence.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import { NO_TURNS, type Strategy } from '#wanmark/core/strategy.js';
import type { Wan } from '#wanmark/core/wan.js';
import { seeded } from '../../helpers/random.js';
import { flow, wan } from '../flows.js';

/** A strategy with a count of connections of its own. */
class Balancer {
  readonly live = new Map<number, number>();
  readonly counts = new Counts();
  readonly strategy: Strategy;

  constructor(name: string, seed: number) {
    this.counts.source = (mark) => this.live.get(mark) ?? 0;
    const { connections } = this.counts;
    this.strategy = STRATEGIES.get(name)!({ random: seeded(seed), now: () => 0, connections });
  }

  get sequenced(): SequenceStrategy {
    assert.ok(hasSequence(this.strategy));
    return this.strategy;
  }

  connect(wans: readonly Wan[], index: number, count = 1): void {
    const { mark } = wans[index]!;
    this.live.set(mark, (this.live.get(mark) ?? 0) + count);
  }

  /** One connection that waits for its choice. @returns the index of its WAN */
  pick(wans: readonly Wan[]): number {
    const index = wans.indexOf(this.strategy.pick(flow(), wans) as Wan);
    this.connect(wans, index);
    return index;
  }
}

function fail(fault: Fault, given: unknown): never {
  throw new Error(`${fault}: ${given}`);
}

/** Says the next choices and returns them. */
function say(sequence: Sequence, count: number): number[] {
  const into = new Uint16Array(count);
  assert.equal(sequence.next(into, fail), count);
  return [...into];
}

function randomWans(random: () => number, maxWeight = 12): Wan[] {
  return Array.from({ length: 1 + Math.floor(random() * 6) }, (_, i) =>
    wan(i + 1, { weight: 1 + Math.floor(random() * maxWeight) }),
  );
}

const SEQUENCES = [...STRATEGIES.keys()].filter((name) => name !== 'source-hash');
/** Those whose choices do not hang on chance, so that what is said again is the same. */
const CERTAIN = SEQUENCES.filter((name) => !['random', 'two-choices'].includes(name));

describe('a sequence', () => {
  for (const [at, name] of SEQUENCES.entries()) {
    it(`of ${name} is what as many picks would have given`, () => {
      for (let seed = 1; seed <= 25; seed++) {
        const random = seeded(1000 * at + seed);
        const wans = randomWans(random);
        const [picking, saying] = [new Balancer(name, seed), new Balancer(name, seed)];
        for (const index of wans.keys()) {
          const count = Math.floor(random() * 30);
          picking.connect(wans, index, count);
          saying.connect(wans, index, count);
        }
        const sequence = new Sequence(saying.sequenced, wans, saying.counts);
        const outstanding: number[] = [];
        for (let round = 0; round < 8; round++) {
          outstanding.push(...say(sequence, Math.floor(random() * 90)));
          const used = outstanding.splice(0, Math.floor(random() * (outstanding.length + 1)));
          for (const index of used) saying.connect(wans, index);
          sequence.used(used.length);
          assert.equal(sequence.length, outstanding.length);
          assert.deepEqual(
            used.map(() => picking.pick(wans)),
            used,
            `seed ${seed}`,
          );
        }
      }
    });
  }

  for (const [at, name] of CERTAIN.entries()) {
    it(`of ${name} goes on behind what was used when the rest is taken back`, () => {
      for (let seed = 1; seed <= 25; seed++) {
        const random = seeded(2000 * at + seed);
        const wans = randomWans(random);
        const [picking, saying] = [new Balancer(name, seed), new Balancer(name, seed)];
        const sequence = new Sequence(saying.sequenced, wans, saying.counts);
        for (let round = 0; round < 20; round++) {
          const said = say(sequence, 1 + Math.floor(random() * 80));
          const used = said.slice(0, Math.floor(random() * (said.length + 1)));
          for (const index of used) saying.connect(wans, index);
          sequence.used(used.length);
          sequence.takeBack();
          assert.equal(sequence.length, 0);
          // Counts move while a plan is in force; both strategies see that.
          const [index, less] = [Math.floor(random() * wans.length), -Math.floor(random() * 2)];
          assert.deepEqual(
            used.map(() => picking.pick(wans)),
            used,
            `seed ${seed}`,
          );
          picking.connect(wans, index, less);
          saying.connect(wans, index, less);
        }
        assert.deepEqual(saying.sequenced.sequence.turns(wans), picking.sequenced.sequence.turns(wans));
      }
    });
  }

  it('of weighted gives exact shares over refills, take-backs and the failure of a WAN', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const random = seeded(seed);
      const all = randomWans(random, 20);
      const some = all.slice(Math.floor(all.length / 2));
      const { sequenced } = new Balancer('weighted', seed);
      const used = new Map([all, some].map((wans) => [wans, [] as number[]]));
      for (let round = 0; round < 60; round++) {
        const wans = random() < 0.5 ? all : some;
        const sequence = new Sequence(sequenced, wans);
        const said = [
          ...say(sequence, Math.floor(random() * 20)),
          ...say(sequence, Math.floor(random() * 20)),
        ];
        const count = Math.floor(random() * (said.length + 1));
        sequence.used(count);
        used.get(wans)!.push(...said.slice(0, count));
        sequence.takeBack();
      }
      for (const [wans, indexes] of used) assertExact(wans, indexes, `seed ${seed}`);
    }
  });

  it('of weighted gives exact shares in sum where two are outstanding at a time', () => {
    const wans = [wan(1, { weight: 5 }), wan(2, { weight: 2 }), wan(3)];
    const { sequenced } = new Balancer('weighted', 1);
    const [one, other] = [new Sequence(sequenced, wans), new Sequence(sequenced, wans)];
    const said = [...say(one, 3), ...say(other, 5)];
    say(one, 9);
    say(other, 2);
    one.used(3);
    other.used(5);
    one.takeBack();
    other.takeBack();
    assertExact(wans, [...said, ...say(one, 80)], 'after both were taken back');
  });

  it('lets a pick in between go on behind it, and stay counted', () => {
    const wans = [wan(1), wan(2), wan(3)];
    const balancer = new Balancer('round-robin', 1);
    const sequence = new Sequence(balancer.sequenced, wans);
    assert.deepEqual(say(sequence, 4), [0, 1, 2, 0]);
    assert.equal(balancer.pick(wans), 1);
    sequence.takeBack();
    assert.deepEqual(say(sequence, 3), [1, 2, 0]);
  });

  it('counts what it has said for itself only', () => {
    const wans = [wan(1), wan(2)];
    const balancer = new Balancer('shortest-expected-delay', 1);
    const sequence = new Sequence(balancer.sequenced, wans, balancer.counts);
    assert.deepEqual(say(sequence, 3), [0, 1, 0]);
    assert.deepEqual(say(new Sequence(balancer.sequenced, wans, balancer.counts), 3), [0, 1, 0]);
    assert.equal(balancer.strategy.pick(flow(), wans).name, 'wan1');
    assert.deepEqual(say(sequence, 1), [1]);
  });

  it('ends where the strategy fails, and goes on when it works again', () => {
    const wans = [wan(1), wan(2)];
    const faults: unknown[] = [];
    let asked = 0;
    const turns = [0];
    const strategy: SequenceStrategy = {
      sequence: { turns: () => turns },
      pick: () => {
        turns[0]! += 1;
        asked++;
        if (asked === 3) throw new Error('a test');
        if (asked === 4) return wan(9);
        return wans[1]!;
      },
    };
    const sequence = new Sequence(strategy, wans);
    const into = new Uint16Array(4);
    const next = () => sequence.next(into, (fault) => faults.push(fault));
    assert.deepEqual([next(), next(), next()], [2, 0, 4]);
    assert.deepEqual(faults, ['threw', 'returned no candidate']);
    assert.deepEqual([sequence.length, turns], [6, [6]]);
    sequence.takeBack();
    assert.deepEqual(turns, [0]);
  });

  it('says so when a strategy reads the packet that there is not', () => {
    const given: unknown[] = [];
    const strategy: SequenceStrategy = {
      sequence: NO_TURNS,
      pick: ({ srcHash }, wans) => wans[srcHash % wans.length]!,
    };
    assert.equal(
      new Sequence(strategy, [wan(1)]).next(new Uint16Array(1), (_fault, error) => given.push(error)),
      0,
    );
    assert.match(String(given[0]), /must not read its flow \(srcHash\)/);
  });

  it('refuses that more was used than it has said', () => {
    const sequence = new Sequence(new Balancer('weighted', 1).sequenced, [wan(1)]);
    say(sequence, 2);
    assert.throws(() => sequence.used(3), RangeError);
    sequence.used(2);
  });
});

/** Every run of sum(weights) has each WAN exactly as often as it weighs. */
function assertExact(wans: readonly Wan[], indexes: readonly number[], message: string): void {
  const sum = wans.reduce((total, { weight }) => total + weight, 0);
  for (let start = 0; start + sum <= indexes.length; start++) {
    const seen = wans.map(() => 0);
    for (const index of indexes.slice(start, start + sum)) seen[index]!++;
    assert.deepEqual(
      seen,
      wans.map(({ weight }) => weight),
      `${message}, from ${start}`,
    );
  }
}
