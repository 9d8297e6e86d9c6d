import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Flow } from '#wanmark/core/flow.js';
import { HASH_FIELDS } from '#wanmark/core/flow-hash.js';
import { hashText } from '#wanmark/core/hash.js';
import { byHash } from '#wanmark/core/strategies/hash.js';
import { ALIASES, STRATEGIES } from '#wanmark/core/strategies/registry.js';
import type { Strategy } from '#wanmark/core/strategy.js';
import type { Wan } from '#wanmark/core/wan.js';
import { seeded } from '../../helpers/random.js';
import { flow, wan } from '../flows.js';

function make(name: string, seed = 1): Strategy {
  return STRATEGIES.get(name)!({ random: seeded(seed), now: () => 0, connections: () => 0 });
}

function picks(strategy: Strategy, wans: readonly Wan[], count: number): string[] {
  return Array.from({ length: count }, () => strategy.pick(flow(), wans).name);
}

function tally(names: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

const CLIENTS = Array.from({ length: 10_000 }, (_, i) =>
  flow({ srcHash: hashText(`10.0.${i >> 8}.${i & 255}`) }),
);

describe('round-robin', () => {
  it('takes the WANs in turn, whatever their weights', () => {
    const wans = [wan(1, { weight: 9 }), wan(2), wan(3)];
    assert.deepEqual(picks(make('round-robin'), wans, 6), ['wan1', 'wan2', 'wan3', 'wan1', 'wan2', 'wan3']);
  });

  it('keeps its turn in one set of candidates while another is asked', () => {
    const all = [wan(1), wan(2), wan(3)];
    const one = [all[0]!];
    const strategy = make('round-robin');
    const seen: string[] = [];
    for (let i = 0; i < 6; i++) {
      seen.push(strategy.pick(flow(), all).name);
      strategy.pick(flow({ family: 6 }), one);
    }
    assert.deepEqual(tally(seen), { wan1: 2, wan2: 2, wan3: 2 });
  });
});

describe('weighted', () => {
  it('spreads 5:1:1 as nginx does', () => {
    const wans = [wan(1, { weight: 5 }), wan(2), wan(3)];
    assert.deepEqual(
      picks(make('weighted'), wans, 7).map((name) => name.at(-1)),
      ['1', '1', '2', '1', '3', '1', '1'],
    );
  });

  it('gives every WAN exactly its weight in any run of sum(weights) decisions', () => {
    const random = seeded(7);
    for (let round = 0; round < 50; round++) {
      const count = 1 + Math.floor(random() * 6);
      const wans = Array.from({ length: count }, (_, i) =>
        wan(i + 1, { weight: 1 + Math.floor(random() * 20) }),
      );
      const sum = wans.reduce((total, { weight }) => total + weight, 0);
      const seen = picks(make('weighted'), wans, 3 * sum);
      const expected = Object.fromEntries(wans.map(({ name, weight }) => [name, weight]));
      for (let start = 0; start <= 2 * sum; start++) {
        assert.deepEqual(tally(seen.slice(start, start + sum)), expected, `round ${round}, from ${start}`);
      }
    }
  });
});

describe('weighted with equal weights', () => {
  it('is round-robin, whatever the weight', () => {
    for (const weight of [1, 7]) {
      const wans = [1, 2, 3].map((mark) => wan(mark, { weight }));
      assert.deepEqual(picks(make('weighted'), wans, 9), picks(make('round-robin'), wans, 9));
    }
  });
});

describe('random', () => {
  it('draws by weight (chi-square, 2 degrees of freedom, p = 0.001)', () => {
    const wans = [wan(1, { weight: 5 }), wan(2, { weight: 3 }), wan(3, { weight: 1 })];
    const seen = tally(picks(make('random', 42), wans, 9000));
    const chi2 = wans.reduce(
      (sum, { name, weight }) => sum + (seen[name]! - weight * 1000) ** 2 / (weight * 1000),
      0,
    );
    assert.ok(chi2 < 13.82, `chi-square ${chi2}`);
  });

  it('stays inside the candidates at both ends of the draw', () => {
    const wans = [wan(1, { weight: 1 }), wan(2, { weight: 3 })];
    const at = (value: number) =>
      STRATEGIES.get('random')!({ random: () => value, now: () => 0, connections: () => 0 }).pick(
        flow(),
        wans,
      );
    assert.equal(at(0).name, 'wan1');
    assert.equal(at(0.2499999).name, 'wan1');
    assert.equal(at(0.25).name, 'wan2');
    assert.equal(at(1 - Number.EPSILON).name, 'wan2');
  });
});

describe('source-hash', () => {
  it('keeps a client on its WAN', () => {
    const strategy = make('source-hash');
    const wans = [wan(1), wan(2), wan(3)];
    assert.equal(new Set(picks(strategy, wans, 50)).size, 1);
  });

  it('gives each WAN its weight of the clients, within 5 %', () => {
    const strategy = make('source-hash');
    const wans = [wan(1, { weight: 5 }), wan(2, { weight: 3 }), wan(3, { weight: 2 })];
    const seen = tally(CLIENTS.map((client) => strategy.pick(client, wans).name));
    for (const { name, weight } of wans) {
      const expected = (CLIENTS.length * weight) / 10;
      assert.ok(Math.abs(seen[name]! - expected) < 0.05 * expected, `${name}: ${seen[name]} of ${expected}`);
    }
  });

  it('moves only the clients of a WAN that goes, and brings exactly them back', () => {
    const strategy = make('source-hash');
    const all = [wan(1), wan(2, { weight: 3 }), wan(3)];
    const left = [all[0]!, all[2]!];
    const before = CLIENTS.map((client) => strategy.pick(client, all).name);
    const during = CLIENTS.map((client) => strategy.pick(client, left).name);
    const after = CLIENTS.map((client) => strategy.pick(client, all).name);
    before.forEach((name, i) => {
      if (name !== 'wan2') assert.equal(during[i], name);
    });
    assert.deepEqual(after, before);
    const moved = tally(during.filter((_, i) => before[i] === 'wan2'));
    assert.ok(moved.wan1! > 1000 && moved.wan3! > 1000, 'its clients spread over both others');
  });

  it('does not depend on order or marks', () => {
    const strategy = make('source-hash');
    const wans = [wan(1), wan(2), wan(3)];
    const shuffled = [wan(7, { name: 'wan3' }), wan(8, { name: 'wan1' }), wan(9, { name: 'wan2' })];
    for (const client of CLIENTS.slice(0, 500)) {
      assert.equal(strategy.pick(client, wans).name, strategy.pick(client, shuffled).name);
    }
  });
});

describe('hash:FIELDS', () => {
  const WANS = [wan(1), wan(2), wan(3)];
  const made = (...fields: Parameters<typeof byHash>[0]) =>
    byHash(fields)({ random: seeded(1), now: () => 0, connections: () => 0 });
  /** The WANs of flows that differ from each other by one field. */
  const spread = (strategy: Strategy, vary: (i: number) => Partial<Flow>) =>
    tally(Array.from({ length: 3000 }, (_, i) => strategy.pick(flow(vary(i)), WANS).name));

  const VARY: Readonly<Record<string, (i: number) => Partial<Flow>>> = {
    src: (i) => ({ src: `10.0.${i >> 8}.${i & 255}` }),
    sport: (i) => ({ sport: 1024 + i }),
    dst: (i) => ({ dst: `10.0.${i >> 8}.${i & 255}` }),
    dport: (i) => ({ dport: 1 + i }),
    proto: (i) => ({ proto: i & 255 }),
  };

  it('goes by its fields only, evenly', () => {
    for (const field of HASH_FIELDS) {
      for (const [varied, vary] of Object.entries(VARY)) {
        const counts = Object.values(spread(made(field), vary));
        if (varied !== field) assert.deepEqual(counts, [3000], `${field} does not go by ${varied}`);
        else if (field !== 'proto') assert.ok(Math.min(...counts) > 900, `${field}: ${counts}`);
        else assert.equal(counts.length, 3);
      }
    }
  });

  it('keeps a socket on one WAN for all servers, and spreads the sockets of a client', () => {
    const strategy = made('src', 'sport');
    const seen = Array.from({ length: 60 }, (_, sport) =>
      Object.keys(spread(strategy, (i) => ({ ...VARY.dst!(i), dport: i, sport }))),
    );
    assert.ok(seen.every((names) => names.length === 1));
    assert.ok(Object.values(tally(seen.flat())).every((count) => count > 8));
  });

  it('of the source is source-hash, and the order of fields does not matter', () => {
    const [src, source] = [made('src'), make('source-hash')];
    const [one, other] = [made('dst', 'src'), made('src', 'dst')];
    for (const client of CLIENTS.slice(0, 500)) {
      assert.equal(src.pick(client, WANS), source.pick(client, WANS));
      assert.equal(one.pick(client, WANS), other.pick(client, WANS));
    }
  });

  it('does not give all flows with equal ends to one WAN', () => {
    const counts = spread(made('src', 'dst'), (i) => ({ ...VARY.src!(i), ...VARY.dst!(i) }));
    assert.ok(Math.min(...Object.values(counts)) > 900, JSON.stringify(counts));
  });

  it('moves only the flows of a WAN that goes', () => {
    const strategy = made('src', 'sport', 'proto');
    const left = [WANS[0]!, WANS[2]!];
    for (let sport = 0; sport < 1000; sport++) {
      const before = strategy.pick(flow({ sport }), WANS).name;
      if (before !== 'wan2') assert.equal(strategy.pick(flow({ sport }), left).name, before);
    }
  });
});

describe('failover', () => {
  it('takes the first candidate', () => {
    assert.deepEqual(tally(picks(make('failover'), [wan(2), wan(1)], 5)), { wan2: 5 });
  });
});

describe('aliases', () => {
  it('lead to strategies that exist', () => {
    for (const [alias, name] of ALIASES) assert.ok(STRATEGIES.has(name), alias);
    assert.equal(ALIASES.get('wrr'), 'weighted');
    assert.equal(ALIASES.get('sh'), 'source-hash');
  });
});
