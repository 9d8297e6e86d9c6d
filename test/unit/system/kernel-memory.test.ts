import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { FAMILIES } from '#wanmark/core/family.js';
import { readFacts, readFactsLater } from '#wanmark/system/facts.js';
import { KernelMemory } from '#wanmark/system/kernel-memory.js';
import type { NewsItem } from '#wanmark/system/news.js';
import type { Kernel, LongAnswers } from '#wanmark/system/rtnetlink/kernel.js';
import { RTN_UNICAST } from '#wanmark/system/rtnetlink/routes.js';

const CONFIG = parseConfig({ wan: [{ name: 'a', dev: 'w1', via: 'auto' }] });
const HOP = { index: 2, gateway: '192.0.2.1', foreign: false, dead: false };

/** A machine that changes, and tells of it as the kernel does. */
class Machine {
  now = 0;
  /** What was read, in its order. */
  readonly read: string[] = [];
  #links = 2;
  readonly #routes = { 4: ['default'], 6: ['default'] };
  readonly #rules = { 4: 1, 6: 1 };
  readonly #addresses = { 4: 1, 6: 1 };

  readonly kernel: Kernel = {
    links: () =>
      Array.from({ length: this.#links }, (_, i) => ({
        name: `w${i}`,
        index: i + 1,
        type: 1,
        flags: 1,
      })),
    addresses: (family) =>
      Array.from({ length: this.#addresses[family] }, (_, i) => ({
        family,
        index: 2,
        scope: 0,
        local: family === 4 ? `192.0.2.${i + 2}` : `2001:db8::${i + 2}`,
        peer: undefined,
        prefixLength: 24,
        deprecated: false,
        temporary: false,
      })),
    main: (family) =>
      this.#routes[family].map((dst) => ({
        ...{ dst, type: RTN_UNICAST, table: 254, cloned: false, metric: 0 },
        hops: [HOP],
      })),
    rules: (family) =>
      Array.from({ length: this.#rules[family] }, (_, i) => ({
        ...{ priority: 100 + i, protocol: 3, inverted: false, mark: { value: 1, mask: 1 } },
        ...{ before: ['from all'], after: [], action: 'lookup 7', table: 7, suppresses: false },
      })),
    hasDefault: () => true,
    neighbours: () => [],
    route: () => undefined,
    reaches: () => false,
    resolve: () => undefined,
  };

  readonly long: LongAnswers = {
    links: async () => this.#told('links', this.kernel.links()),
    addresses: async (family) => this.#told(`addresses${family}`, this.kernel.addresses(family)),
    main: async (family) => this.#told(`main${family}`, this.kernel.main(family)),
    rules: async (family) => this.#told(`rules${family}`, this.kernel.rules(family)),
  };

  #told<T>(what: string, answer: T): T {
    this.read.push(what);
    return answer;
  }

  /** Changes something by a number. @returns what the kernel tells of it */
  change(number: number): NewsItem[] {
    const family = number % 2 === 0 ? 4 : 6;
    const dst = family === 4 ? `10.${number % 7}.0.0/16` : `fd00:${number % 7}::/32`;
    const way = { family, dst, direct: [], leads: true } as const;
    const route = { ...way, kind: 'route', table: 254 } as const;
    const routes = this.#routes[family];
    switch ((number >> 1) % 8) {
      case 0:
        routes.push(dst);
        return [route];
      case 1:
        if (routes.length > 1) routes.splice(1, 1);
        return [{ ...route, leads: false }];
      case 2:
        // Of another table: nothing of main's.
        return [{ ...route, table: 77 }];
      case 3:
        this.#rules[family] = 1 + (number % 5);
        return [{ kind: 'rule' }];
      case 4:
        this.#addresses[family] = 1 + (number % 3);
        // Routes go with it that nobody tells of.
        this.#routes[4] = ['default'];
        return [{ kind: 'address', device: 'w1', lost: true }];
      case 5:
        this.#links = 2 + (number % 4);
        this.#routes[4] = ['default'];
        return [{ kind: 'link', index: 1, device: 'w1', lost: true }];
      case 6:
        this.#routes[family] = ['default', dst];
        return [{ kind: 'nexthop' }];
      default:
        // More than could be told.
        this.#routes[family].push(dst);
        this.#rules[4] = 1 + (number % 6);
        return [{ kind: 'unknown' }];
    }
  }
}

/** Numbers that look random and are the same in each run (a linear congruential generator, Numerical Recipes). */
function* numbers(seed: number): Generator<number, never> {
  for (let x = seed; ; ) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    yield x >>> 16;
  }
}

describe('what is remembered of the kernel', () => {
  it('is what a full read says, after any news', async () => {
    const machine = new Machine();
    const memory = new KernelMemory(machine.kernel, machine.long, () => machine.now);
    const random = numbers(23);
    for (let i = 0; i < 500; i++) {
      const count = random.next().value % 4;
      for (let n = 0; n < count; n++) memory.hear(machine.change(random.next().value));
      machine.now += random.next().value % 3000;
      assert.deepEqual(
        await readFactsLater(CONFIG, memory),
        readFacts(CONFIG, machine.kernel),
        `after look ${i}`,
      );
    }
    assert.ok(machine.read.length < 0.8 * 7 * 500, `${machine.read.length} answers were read`);
  });

  it('is read again only as far as news concern it', async () => {
    const machine = new Machine();
    const memory = new KernelMemory(machine.kernel, machine.long, () => machine.now);
    const read = async (...news: NewsItem[]) => {
      memory.hear(news);
      machine.now += 5000;
      machine.read.length = 0;
      await memory.snapshot();
      return machine.read.join(' ');
    };
    const all = 'links addresses4 addresses6 main4 main6 rules4 rules6';
    const route = { kind: 'route', table: 254, dst: '10.0.0.0/8', direct: [], leads: true } as const;
    assert.equal(await read(), all);
    assert.equal(await read(), '');
    assert.equal(await read({ ...route, family: 4 }), 'main4');
    assert.equal(await read({ ...route, family: 6, leads: false }), 'main6');
    assert.equal(await read({ ...route, family: 6, table: 1001 }), '');
    assert.equal(await read({ kind: 'rule' }), 'rules4 rules6');
    assert.equal(await read({ kind: 'nexthop' }), 'main4 main6');
    assert.equal(
      await read({ kind: 'address', device: 'w1', lost: false }),
      'addresses4 addresses6 main4 main6',
    );
    assert.equal(await read({ kind: 'link', index: 9, device: 'c9', lost: false }), all);
    assert.equal(await read({ kind: 'unknown' }), all);
    memory.forget();
    assert.equal(await read(), all);
  });

  it('yields the same facts, so that nobody needs to compare them', async () => {
    const machine = new Machine();
    const memory = new KernelMemory(machine.kernel, machine.long, () => machine.now);
    const [a, b] = [await readFactsLater(CONFIG, memory), await readFactsLater(CONFIG, memory)];
    for (const family of FAMILIES) {
      assert.equal(a.main[family], b.main[family]);
      assert.equal(a.addresses[family], b.addresses[family]);
    }
    assert.equal(a.devices, b.devices);
  });

  it('is nothing that is read within a second of a device’s news, since routes go without a word', async () => {
    const machine = new Machine();
    const memory = new KernelMemory(machine.kernel, machine.long, () => machine.now);
    memory.hear([{ kind: 'link', index: 1, device: 'w1', lost: true }]);
    for (const [now, count] of [
      [0, 7],
      [999, 14],
      [1000, 21],
      [5000, 21],
    ] as const) {
      machine.now = now;
      await memory.snapshot();
      assert.equal(machine.read.length, count, `${now} ms later`);
    }
  });

  it('is nothing that changes while it is read', async () => {
    const machine = new Machine();
    const route = { family: 4, table: 254, dst: '10.0.0.0/8', direct: [], leads: true } as const;
    let news: NewsItem[] = [{ kind: 'route', ...route }];
    const memory: KernelMemory = new KernelMemory(
      machine.kernel,
      {
        ...machine.long,
        main: async (family) => {
          const answer = await machine.long.main(family);
          if (family === 4) memory.hear(news);
          return answer;
        },
      },
      () => machine.now,
    );
    await memory.snapshot();
    news = [];
    machine.read.length = 0;
    await memory.snapshot();
    assert.deepEqual(machine.read, ['main4']);
  });
});
