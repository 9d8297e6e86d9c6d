import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { keyAddress } from '#wanmark/core/address.js';
import type { Candidate } from '#wanmark/core/candidate.js';
import type { Flow } from '#wanmark/core/flow.js';
import { BatchFlow } from '#wanmark/core/flow.js';
import { Pairs } from '#wanmark/core/pairs.js';
import { Pool } from '#wanmark/core/pool.js';
import { MOST_CLIENTS, Stickiness, StickyTable, stickyKey } from '#wanmark/core/stickiness.js';
import type { Strategy } from '#wanmark/core/strategy.js';
import { targetId } from '#wanmark/core/target.js';
import { type Wan, wanMember } from '#wanmark/core/wan.js';
import { seeded } from '../../helpers/random.js';
import { emptyBatch, flow, poolOf, statesOf, turn, wan } from '../flows.js';

const HOUR = 3_600_000;
let now = 0;
const clock = () => now;
beforeEach(() => {
  now = 1000;
});

describe('StickyTable', () => {
  it('knows a client for its time since its last connection', () => {
    const table = new StickyTable(HOUR, clock);
    table.keep('10.0.0.1', 'fibre');
    now += HOUR - 1;
    assert.equal(table.get('10.0.0.1'), 'fibre');
    table.keep('10.0.0.1', 'fibre');
    now += HOUR - 1;
    assert.equal(table.get('10.0.0.1'), 'fibre');
    now += 1;
    assert.equal(table.get('10.0.0.1'), undefined);
    assert.equal(table.size, 0);
    assert.equal(table.clients('fibre'), 0);
    assert.deepEqual(table.counts, { hits: 1, moves: 0, evictions: 0 });
  });

  it('counts a client for the member that it has now', () => {
    const table = new StickyTable(HOUR, clock);
    table.keep('10.0.0.1', 'fibre');
    table.keep('10.0.0.1', 'dsl');
    table.keep('10.0.0.1', 'dsl');
    assert.deepEqual([table.clients('fibre'), table.clients('dsl'), table.size], [0, 1, 1]);
    assert.deepEqual(table.counts, { hits: 1, moves: 1, evictions: 0 });
  });

  it('is bounded: whoever came longest ago makes room', () => {
    const table = new StickyTable(HOUR, clock, 2);
    table.keep('a', 'fibre');
    table.keep('b', 'fibre');
    table.keep('a', 'fibre');
    table.keep('c', 'dsl');
    assert.deepEqual([table.get('a'), table.get('b'), table.get('c')], ['fibre', undefined, 'dsl']);
    assert.equal(table.counts.evictions, 1);
    assert.equal(table.clients('fibre'), 1);
  });

  it('forgets in the order in which clients came last, whatever came between', () => {
    const random = seeded(7);
    const below = (count: number) => Math.floor(random() * count);
    const table = new StickyTable(100, clock, 8);
    let known: { key: string; until: number }[] = [];
    const put = (key: string, until: number) => {
      known = known.filter((one) => one.key !== key).slice(-8);
      if (known.length === 8) known.shift();
      known.push({ key, until });
    };
    for (let i = 0; i < 20_000; i++) {
      now += below(20);
      known = known.filter(({ until }) => until > now);
      if (below(50) > 0) {
        const key = `${below(14)}`;
        table.keep(key, 'fibre');
        put(key, now + 100);
      } else {
        const clients = Array.from({ length: below(4) }, (_, k) => ({
          key: `r${k}`,
          member: 'dsl',
          leftMs: 1 + below(100),
        }));
        table.restore(clients.slice(0, Math.max(0, 8 - known.length)));
        for (const { key, leftMs } of clients.slice(0, Math.max(0, 8 - known.length)))
          if (!known.some((one) => one.key === key)) known.push({ key, until: now + leftMs });
        known = known.toSorted((a, b) => a.until - b.until);
      }
      assert.deepEqual(
        new Set(table.all().map(({ key }) => key)),
        new Set(known.map(({ key }) => key)),
        `${i}`,
      );
    }
    assert.ok(table.counts.evictions > 1000, `${table.counts.evictions}`);
  });

  it('makes room in a moment', () => {
    const table = new StickyTable(HOUR, clock);
    const clients = Array.from({ length: 200_000 }, (_, i) => ({
      key: `c${i}`,
      member: 'fibre',
      leftMs: i + 1,
    }));
    const start = process.cpuUsage();
    table.restore(clients);
    for (let i = 0; i < 100_000; i++) table.keep(`d${i}`, 'fibre');
    const { user } = process.cpuUsage(start);
    assert.equal(table.counts.evictions, 300_000 - MOST_CLIENTS);
    assert.ok(user < 2_000_000, `${user} us`);
  });

  it('tells who is new, moved, or came again after a tenth of the time', () => {
    const told: string[] = [];
    const table = new StickyTable(1000, clock);
    table.listener = (key, member) => told.push(`${key} ${member}`);
    table.keep('a', 'fibre');
    now += 99;
    table.keep('a', 'fibre');
    assert.deepEqual(told.splice(0), ['a fibre']);
    now += 1;
    table.keep('a', 'fibre');
    table.keep('a', 'dsl');
    assert.deepEqual(told, ['a fibre', 'a dsl']);
  });

  it('takes up what was remembered elsewhere, for no longer than its time, in the order of its end', () => {
    const table = new StickyTable(1000, clock);
    table.keep('known', 'fibre');
    table.restore([
      { key: 'late', member: 'fibre', leftMs: 5000 },
      { key: 'soon', member: 'dsl', leftMs: 10 },
      { key: 'known', member: 'dsl', leftMs: 900 },
    ]);
    assert.equal(table.get('known'), 'fibre');
    now += 10;
    assert.deepEqual([table.get('soon'), table.get('late')], [undefined, 'fibre']);
    now += 990;
    assert.equal(table.size, 0);
  });
});

describe('stickyKey', () => {
  it('is the address or the IPv6 network of 64 bits, and the server where pairs are kept', () => {
    const batch = emptyBatch(2);
    const packet = new BatchFlow(batch);
    batch.family.set([4, 6]);
    batch.src.set([192, 168, 1, 9]);
    batch.dst.set([203, 0, 113, 7]);
    batch.src.set([0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9], 16);
    batch.dst.set([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 16);
    const keys = ([0, 1] as const).flatMap((i) => [
      stickyKey(packet.at(i), 'src'),
      stickyKey(packet.at(i), 'src+dst'),
    ]);
    const [four, pair, six, pair6] = keys as [string, string, string, string];
    assert.equal(new Set(keys).size, 4);
    assert.equal(keyAddress(four, 4), '192.168.1.9');
    assert.equal(keyAddress(six, 6), '2001:db8:1:2::');
    assert.equal(keyAddress(pair.slice(four.length), 4), '203.0.113.7');
    assert.equal(keyAddress(pair6.slice(six.length), 6), '2001:db8::1');
  });
});

/** A pool that keeps its clients, with a strategy that gives each candidate its turn. */
function sticking(
  wans: readonly Wan[],
  { by = 'src', bound }: { by?: 'src' | 'src+dst'; bound?: number } = {},
) {
  let turns = 0;
  const asked: string[][] = [];
  const strategy: Strategy = {
    pick(_flow: Flow, candidates: readonly Candidate[]) {
      asked.push(candidates.map(({ name }) => name));
      return candidates[turns++ % candidates.length]!;
    },
  };
  const states = statesOf(wans, 0, clock);
  const stickiness = new Stickiness({ by, forMs: HOUR, bound }, clock);
  const pool = poolOf(wans, strategy, states, undefined, stickiness);
  const select = (client: number, fields: Partial<Flow> = {}, tried?: ReadonlySet<string>) =>
    pool.select(flow({ src: `10.0.0.${client}`, ...fields }), tried)?.target.name;
  return { pool, states, stickiness, select, asked };
}

describe('A pool that keeps its clients', () => {
  it('asks the strategy only for clients that it does not know', () => {
    const { select, asked, pool, stickiness } = sticking([wan(1), wan(2)]);
    assert.deepEqual(
      [1, 2, 1, 1, 2].map((client) => select(client)),
      ['wan1', 'wan2', 'wan1', 'wan1', 'wan2'],
    );
    assert.equal(asked.length, 2);
    assert.deepEqual(
      pool.members.map(({ picks }) => picks),
      [3, 2],
    );
    assert.deepEqual(stickiness.counts(), { hits: 3, moves: 0, evictions: 0 });
    now += HOUR;
    assert.equal(select(2), 'wan1', 'forgotten, so it is the turn of the first again');
  });

  it('keeps pairs where it is asked to', () => {
    const { select } = sticking([wan(1), wan(2)], { by: 'src+dst' });
    const to = (dst: string) => select(1, { dst });
    assert.deepEqual(['192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.2'].map(to), [
      'wan1',
      'wan2',
      'wan1',
      'wan2',
    ]);
  });

  it('gives a client another WAN when its own cannot carry it, which it keeps', () => {
    const wans = [wan(1), wan(2), wan(3, { tier: 2 })];
    const { select, states, stickiness } = sticking(wans);
    assert.equal(select(1), 'wan1');
    turn(states, wans[0]!, false);
    turn(states, wans[1]!, false);
    assert.equal(select(1), 'wan3');
    turn(states, wans[0]!, true);
    turn(states, wans[1]!, true);
    assert.equal(select(1), 'wan3', 'a higher tier is no reason to lose its sessions again');
    assert.deepEqual(stickiness.counts(), { hits: 1, moves: 1, evictions: 0 });
    states.setWeight('wan3', 0);
    assert.notEqual(select(1), 'wan3', 'drained');
  });

  it('keeps nobody on a WAN that is suspected or was tried, while there is another', () => {
    const wans = [wan(1), wan(2)];
    const { select, states } = sticking(wans);
    const suspicion = { since: 0, reason: 'a test' };
    assert.equal(select(1), 'wan1');
    states.suspect(targetId('wan1', 4), suspicion);
    assert.equal(select(1), 'wan2');
    states.suspect(targetId('wan2', 4), suspicion);
    assert.equal(select(1), 'wan2', 'both are');
    assert.equal(select(1, {}, new Set(['wan2'])), 'wan1');
    assert.equal(select(1), 'wan1');
    assert.equal(select(1, {}, new Set(['wan1', 'wan2'])), 'wan1');
  });

  it('has a table for each family', () => {
    const { select } = sticking([wan(1, { via6: undefined }), wan(2)]);
    assert.equal(select(1), 'wan1');
    const six = (src: string) => select(1, { family: 6, src, dst: '2001:db8::1' });
    assert.equal(six('2001:db8:1:2::5'), 'wan2');
    assert.equal(select(1), 'wan1');
  });

  it('leads a host’s other family to the WAN that it keeps', () => {
    const wans = [wan(1), wan(2)];
    let turns = 0;
    const pool = new Pool({
      name: 'wans',
      members: wans.map(wanMember),
      strategy: { name: 'turns', strategy: { pick: (_flow, candidates) => candidates[turns++ % 2]! } },
      states: statesOf(wans),
      onFault: assert.fail,
      stickiness: new Stickiness({ by: 'src', forMs: HOUR, bound: undefined }, clock),
      pairs: new Pairs(clock),
    });
    const select = (fields: Partial<Flow>) => pool.select(flow({ mac: 7, ...fields }))?.target.name;
    for (let i = 0; i < 3; i++) {
      assert.equal(select({}), 'wan1');
      now += HOUR - 1;
    }
    assert.equal(select({ family: 6, src: '2001:db8::5', dst: '2001:db8:1::1' }), 'wan1');
  });

  it('moves clients of a WAN that has more than its bound, as many as it takes', () => {
    const wans = [wan(1), wan(2)];
    const { select, states, stickiness } = sticking(wans, { bound: 1.25 });
    turn(states, wans[1]!, false);
    const clients = Array.from({ length: 80 }, (_, i) => i);
    for (const client of clients) assert.equal(select(client), 'wan1');
    turn(states, wans[1]!, true);
    const after = clients.map((client) => select(client));
    assert.equal(after.filter((name) => name === 'wan1').length, 50, '1.25 x 40');
    assert.equal(stickiness.counts().moves, 30);
    assert.deepEqual(
      clients.map((client) => select(client)),
      after,
      'nobody moves any more',
    );
  });

  it('moves nobody while there are few clients, and brings them back from a higher tier', () => {
    const wans = [wan(1), wan(2, { tier: 2 })];
    const { select, states } = sticking(wans, { bound: 1.25 });
    turn(states, wans[0]!, false);
    assert.equal(select(1), 'wan2');
    turn(states, wans[0]!, true);
    assert.equal(select(1), 'wan1', 'the share of a higher tier is none');
    const few = sticking([wan(1), wan(2)], { bound: 1.25 });
    assert.deepEqual(
      [1, 1, 2, 2].map((client) => few.select(client)),
      ['wan1', 'wan1', 'wan2', 'wan2'],
    );
  });

  it('moves clients no faster than the other WAN warms up', () => {
    const wans = [wan(1), wan(2)];
    const { select } = (() => {
      const states = statesOf(wans, 30_000, clock);
      const strategy: Strategy = { pick: (_flow, candidates) => candidates.at(-1)! };
      const stickiness = new Stickiness({ by: 'src', forMs: HOUR, bound: 1.25 }, clock);
      const pool = poolOf(wans, strategy, states, undefined, stickiness);
      turn(states, wans[1]!, false);
      for (let i = 0; i < 80; i++) pool.select(flow({ src: `10.0.0.${i}` }));
      turn(states, wans[1]!, true);
      return { select: (i: number) => pool.select(flow({ src: `10.0.0.${i}` }))?.target.name };
    })();
    const moved = Array.from({ length: 30 }, (_, i) => select(i)).filter((name) => name === 'wan2').length;
    assert.ok(moved > 0 && moved <= 6, `${moved} of 30`);
  });
});
