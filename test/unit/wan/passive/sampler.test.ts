import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Sampler } from '#wanmark/wan/passive/sampler.js';
import { seeded } from '../../../helpers/random.js';

interface Item {
  readonly client: number;
  readonly network: number;
  readonly n: number;
}

function made(perSecond: number, seed = 1) {
  const sampler = new Sampler<Item>(perSecond, seeded(seed));
  let n = 0;
  const offer = (client: number, network: number, times = 1) => {
    for (let i = 0; i < times; i++) {
      const item = { client, network, n: n++ };
      sampler.add(client, network, () => item);
    }
  };
  return { sampler, offer };
}

/** How many of each value of a field there are. */
function counts(items: readonly Item[], field: 'client' | 'network'): Record<number, number> {
  const found: Record<number, number> = {};
  for (const item of items) found[item[field]] = (found[item[field]] ?? 0) + 1;
  return found;
}

describe('Sampler', () => {
  it('takes all that comes while there is room, and each once', () => {
    const { sampler, offer } = made(10);
    offer(1, 1, 4);
    offer(2, 1, 3);
    assert.deepEqual(
      sampler.take(0).map(({ n }) => n),
      [0, 1, 2, 3, 4, 5, 6],
    );
    assert.deepEqual(sampler.take(25), []);
  });

  it('makes only what it takes', () => {
    const sampler = new Sampler<number>(2, () => 0.999);
    let made = 0;
    for (let i = 0; i < 100; i++) sampler.add(1, 1, () => ++made);
    assert.equal(made, 2);
  });

  it('takes all of the clients that make few, whoever comes first', () => {
    for (const loudFirst of [true, false]) {
      const { sampler, offer } = made(20);
      const loud = () => {
        for (let i = 0; i < 1000; i++) offer(66, i % 250);
      };
      if (loudFirst) loud();
      for (const client of [1, 2]) offer(client, 9, 5);
      if (!loudFirst) loud();
      assert.deepEqual(counts(sampler.take(0), 'client'), { 1: 5, 2: 5, 66: 10 });
    }
  });

  it('takes all of the networks that one client uses little', () => {
    for (const loudFirst of [true, false]) {
      const { sampler, offer } = made(20);
      if (loudFirst) offer(1, 66, 1000);
      for (const network of [1, 2, 3]) offer(1, network, 3);
      if (!loudFirst) offer(1, 66, 1000);
      assert.deepEqual(counts(sampler.take(0), 'network'), { 1: 3, 2: 3, 3: 3, 66: 11 });
    }
  });

  it('gives each connection of one client and network the same chance', () => {
    const [places, offered, rounds] = [10, 100, 500];
    const taken = new Array<number>(offered).fill(0);
    const random = seeded(3);
    for (let round = 0; round < rounds; round++) {
      const sampler = new Sampler<number>(places, random);
      for (let n = 0; n < offered; n++) sampler.add(1, 1, () => n);
      for (const n of sampler.take(0)) taken[n]!++;
    }
    const expected = (rounds * places) / offered;
    for (let tenth = 0; tenth < 10; tenth++) {
      const sum = taken.slice(10 * tenth, 10 * tenth + 10).reduce((a, b) => a + b);
      assert.ok(
        Math.abs(sum / 10 - expected) < 0.15 * expected,
        `tenth ${tenth}: ${sum / 10} of ${expected}`,
      );
    }
  });

  it('gives each client a chance when there are more clients than places', () => {
    const taken = new Array<number>(40).fill(0);
    for (let seed = 1; seed <= 200; seed++) {
      const { sampler, offer } = made(10, seed);
      for (let client = 0; client < 40; client++) offer(client, 1);
      const items = sampler.take(0);
      assert.equal(items.length, 10);
      for (const { client } of items) taken[client]!++;
    }
    for (const [client, times] of taken.entries()) {
      assert.ok(times > 20 && times < 80, `client ${client}: ${times} of 200`);
    }
  });

  it('refills by its rate, and saves up for a second', () => {
    const { sampler, offer } = made(100);
    const takes = (now: number) => {
      offer(1, 1, 1000);
      return sampler.take(now).length;
    };
    assert.equal(takes(0), 100, 'the first burst');
    const each = [25, 50, 75, 100].map(takes);
    // What is taken at a moment was made room for before it.
    assert.ok(Math.max(...each) <= 3, each.join());
    const later = Array.from({ length: 40 }, (_, i) => takes(100 + 25 * (i + 1)));
    assert.ok(Math.abs(later.reduce((a, b) => a + b) - 100) <= 3, later.join());
    sampler.take(60_000);
    assert.equal(takes(60_025), 100, 'a burst after a pause');
  });
});
