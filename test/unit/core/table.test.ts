import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress } from '#wanmark/core/address.js';
import { BatchFlow } from '#wanmark/core/flow.js';
import { flowHash, HASH_FIELDS, type HashField } from '#wanmark/core/flow-hash.js';
import { byHash } from '#wanmark/core/strategies/hash.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import type { Strategy, TableForm } from '#wanmark/core/strategy.js';
import { byPlace, fillTable, PLACES, placeOf } from '#wanmark/core/table.js';
import type { Wan } from '#wanmark/core/wan.js';
import { seeded } from '../../helpers/random.js';
import { emptyBatch, wan } from '../flows.js';

const CONTEXT = { random: seeded(1), now: () => 0, connections: () => 0 };

function hashStrategy(fields: readonly HashField[]): Strategy & { readonly table: TableForm } {
  return byHash(fields)(CONTEXT) as Strategy & { readonly table: TableForm };
}

/** A packet's parts, as many bits as they can have. */
interface Parts {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly sport: number;
  readonly dport: number;
  readonly proto: number;
}

function randomParts(random: () => number): Parts {
  const length = random() < 0.5 ? 4 : 16;
  const address = () => Uint8Array.from({ length }, () => Math.floor(random() * 256));
  const below = (limit: number) => Math.floor(random() * limit);
  return {
    src: address(),
    dst: address(),
    sport: below(65536),
    dport: below(65536),
    proto: below(256),
  };
}

/** A batch of one packet. */
function flowOf({ src, dst, sport, dport, proto }: Parts): BatchFlow {
  const batch = emptyBatch(1);
  batch.family[0] = src.length === 16 ? 6 : 4;
  batch.src.set(src);
  batch.dst.set(dst);
  batch.sport[0] = sport;
  batch.dport[0] = dport;
  batch.proto[0] = proto;
  return new BatchFlow(batch);
}

function tableOf(table: TableForm, wans: readonly Wan[], places = PLACES): Uint16Array {
  const into = new Uint16Array(places);
  fillTable(table, wans, into);
  return into;
}

/** The hash as its docstring has it, in arithmetic of whole numbers without a limit. */
function hashAgain(parts: Parts, fields: readonly HashField[]): number {
  const u32 = (value: bigint) => value & 0xffffffffn;
  const mix = (value: bigint) => {
    let x = value;
    x = u32((x ^ (x >> 16n)) * 0x85ebca6bn);
    x = u32((x ^ (x >> 13n)) * 0xc2b2ae35n);
    return x ^ (x >> 16n);
  };
  const value = (field: HashField) => {
    const part = parts[field];
    if (typeof part === 'number') return mix(BigInt(part));
    return mix(part.reduce((hash, byte) => u32((hash ^ BigInt(byte)) * 0x01000193n), 0x811c9dc5n));
  };
  const named = ['src', 'sport', 'dst', 'dport', 'proto'].filter((field) =>
    fields.includes(field as HashField),
  ) as HashField[];
  const [first, ...others] = named.map(value);
  return Number(others.reduce((hash, next) => mix(u32(hash * 0x9e3779b1n) ^ next), first!));
}

function randomFields(random: () => number): HashField[] {
  const fields = HASH_FIELDS.filter(() => random() < 0.5);
  return fields.length === 0 ? ['src'] : fields;
}

function randomWans(random: () => number): Wan[] {
  return Array.from({ length: 2 + Math.floor(random() * 5) }, (_, i) =>
    wan(i + 1, { weight: 1 + Math.floor(random() * 9) }),
  );
}

describe('the hash of a flow', () => {
  it('is what its description says, for both families', () => {
    const random = seeded(3);
    for (let i = 0; i < 3000; i++) {
      const parts = randomParts(random);
      const fields = randomFields(random);
      assert.equal(flowHash(fields)(flowOf(parts)), hashAgain(parts, fields), JSON.stringify(fields));
    }
  });

  it('has these values for ever, or all clients would move with a new version', () => {
    const parts = (src: string, dst: string) => ({
      src: parseAddress(src).subarray(0, src.includes(':') ? 16 : 4),
      dst: parseAddress(dst).subarray(0, dst.includes(':') ? 16 : 4),
      sport: 40000,
      dport: 443,
      proto: 6,
    });
    const four = flowOf(parts('192.168.1.10', '203.0.113.1'));
    const six = flowOf(parts('fd00::10', '2001:db8::1'));
    assert.deepEqual(
      [four, six].map((flow) => [flowHash(['src'])(flow), flowHash(HASH_FIELDS)(flow)]),
      [
        [904635392, 108770837],
        [659997977, 2146296494],
      ],
    );
  });

  it('needs a field', () => {
    assert.throws(() => flowHash([]), RangeError);
  });
});

describe('a place', () => {
  it('has its equal part of the hashes, whatever the number of places', () => {
    for (const places of [1, 2, 3, 256, 1000, 65_535, PLACES]) {
      assert.deepEqual([placeOf(0, places), placeOf(0xffff_ffff, places)], [0, places - 1]);
      const random = seeded(places);
      for (let i = 0; i < 500; i++) {
        const hash = Math.floor(random() * 2 ** 32);
        assert.equal(placeOf(hash, places), Number((BigInt(hash) * BigInt(places)) >> 32n));
      }
    }
  });
});

describe('the table of hash:FIELDS', () => {
  it('has what pick answers', () => {
    const random = seeded(5);
    for (let round = 0; round < 6; round++) {
      const fields = randomFields(random);
      const wans = randomWans(random);
      const strategy = hashStrategy(fields);
      assert.deepEqual(strategy.table.fields, fields);
      const table = tableOf(strategy.table, wans);
      for (let i = 0; i < 2000; i++) {
        const parts = randomParts(random);
        const place = placeOf(hashAgain(parts, fields), PLACES);
        assert.equal(wans[table[place]!], strategy.pick(flowOf(parts), wans));
      }
    }
  });

  it('gives each WAN its weight of the places, within 1 % of 65,536 and 5 % of 4,096', () => {
    const wans = [wan(1, { weight: 5 }), wan(2, { weight: 3 }), wan(3, { weight: 2 })];
    for (const [places, part] of [
      [PLACES, 0.01],
      [4096, 0.05],
    ] as const) {
      const seen = [0, 0, 0];
      for (const index of tableOf(hashStrategy(['src']).table, wans, places)) seen[index]!++;
      for (const [index, { weight }] of wans.entries()) {
        const expected = (places * weight) / 10;
        assert.ok(Math.abs(seen[index]! - expected) < part * expected, `${seen} of ${places}`);
      }
    }
  });

  it('changes only at the places of a WAN that goes, and is the old one when it returns', () => {
    const random = seeded(11);
    for (let round = 0; round < 20; round++) {
      const all = randomWans(random);
      const gone = Math.floor(random() * all.length);
      const left = all.filter((_, index) => index !== gone);
      const { table } = hashStrategy(['src', 'dst']);
      const before = tableOf(table, all, 4096);
      const during = tableOf(table, left, 4096);
      assert.deepEqual(tableOf(table, all, 4096), before);
      const takers = new Set<Wan>();
      for (const [place, index] of before.entries()) {
        if (index !== gone) assert.equal(left[during[place]!], all[index]);
        else takers.add(left[during[place]!]!);
      }
      assert.equal(takers.size, left.length, 'all others take some of them');
    }
  });

  it('only gives places to a WAN whose weight grows', () => {
    const { table } = hashStrategy(['src']);
    const [light, heavy] = [1, 2].map((weight) => [wan(1), wan(2, { weight }), wan(3)]);
    const before = tableOf(table, light!, 4096);
    for (const [place, index] of tableOf(table, heavy!, 4096).entries()) {
      if (index !== before[place]) assert.equal(index, 1);
    }
  });
});

describe('the forms of the built-in strategies', () => {
  it('are one each', () => {
    for (const [name, factory] of STRATEGIES) {
      const { sequence, table } = factory(CONTEXT);
      assert.equal(Number(sequence !== undefined) + Number(table !== undefined), 1, name);
    }
  });
});

describe("a table of a user's own", () => {
  it('is what pick answers by', () => {
    const strategy = byPlace({ fields: ['dport'], at: (place, wans) => wans[place % wans.length]! });
    const wans = [wan(1), wan(2), wan(3)];
    const table = tableOf(strategy.table, wans);
    const random = seeded(1);
    for (let i = 0; i < 200; i++) {
      const parts = randomParts(random);
      const place = placeOf(hashAgain(parts, ['dport']), PLACES);
      assert.equal(strategy.pick(flowOf(parts), wans), wans[table[place]!]);
    }
  });

  it('is not written where an answer is no candidate', () => {
    const form: TableForm = { fields: ['src'], at: () => wan(9) };
    assert.throws(() => fillTable(form, [wan(1)], new Uint16Array(2)), /place 0 of a table has no candidate/);
  });
});
