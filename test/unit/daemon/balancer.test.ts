import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { DROP } from '#wanmark/core/batch.js';
import { MarkField } from '#wanmark/core/mark.js';
import type { NamedStrategy, Strategy } from '#wanmark/core/strategy.js';
import { type Wan, wanMember } from '#wanmark/core/wan.js';
import { Balancer } from '#wanmark/daemon/balancer.js';
import type { BalancerShape } from '#wanmark/daemon/balancer-shape.js';
import { NO_INBOUND } from '#wanmark/daemon/decider.js';
import type { Decide } from '#wanmark/queue/queue.js';
import type { Queues, QueuesOptions } from '#wanmark/queue/queues.js';
import { emptyBatch, statesOf, turn, wan } from '../flows.js';

const LAST: Strategy = { pick: (_flow, all) => all.at(-1)! };
const BROKEN: Strategy = {
  pick: () => {
    throw new Error('no idea');
  },
};
/** One object for each name, as a strategy that was loaded once. */
const loaded = new Map<string, NamedStrategy>();
function named(name: string, strategy: Strategy): NamedStrategy {
  const known = loaded.get(name);
  const one = known?.strategy === strategy ? known : { name: `strategy of ${name}`, strategy };
  loaded.set(name, one);
  return one;
}
const WANS = [wan(1), wan(2, { weight: 3 })];

/** A balancer with one pool for each strategy, all over the same WANs; a packet's port is the number of its pool. */
function made(strategies: Readonly<Record<string, Strategy>>, poolField?: string) {
  const lines: Record<string, unknown>[] = [];
  const done: string[] = [];
  const states = statesOf(WANS);
  let options: QueuesOptions | undefined;
  let decide: Decide = () => assert.fail('not opened');
  let lateFlows = 0;
  const queues = {
    close: async () => void done.push('close'),
    stats: () => ({ lateFlows }),
    tell: () => undefined,
    setUndecidedFrom: (value: number) => void done.push(`undecided from ${value.toString(16)}`),
    forget: (mark: number, mask?: number) =>
      void done.push(`forget ${mark.toString(16)}/${mask?.toString(16)}`),
  };
  const shape = (
    all: Readonly<Record<string, Strategy>>,
    wans: readonly Wan[],
    field?: string,
  ): BalancerShape => ({
    pools: Object.entries(all).map(([name, strategy]) => ({
      name,
      strategy: named(name, strategy),
      members: wans.map(wanMember),
    })),
    find: (pools) => (batch, i) => pools[batch.dport[i]!],
    inbound: NO_INBOUND,
    ...(field === undefined ? {} : { poolField: field }),
    onDecision: (pool, { target }) => void done.push(`${pool.name} chose ${target.name}`),
    onLateDecision: (pool, { sport }, ageMs) => {
      done.push(`the kernel chose for ${pool.name}, ${ageMs} ms ago`);
      if (sport === 1) throw new Error('a fault of whoever listens');
    },
  });
  const balancer = new Balancer({
    logger: pino({ base: null, timestamp: false }, { write: (text: string) => lines.push(JSON.parse(text)) }),
    now: () => 0,
    states,
    connections: {
      fresh: async () => undefined,
      count: (mark) => 10 * mark,
      decided: (mark) => void done.push(`decided ${mark}`),
      countPlanned: () => undefined,
      lookAround: () => undefined,
      close: async () => undefined,
    },
    onLost: assert.fail,
    field: new MarkField(0xff00),
    ...shape(strategies, WANS, poolField),
    label: (pool, { target }) => ({ pool: pool.name, wan: target.name }),
    onError: ({ sport }) => sport === 1,
    queues: { num: 7, count: 1, deadlineMs: 50, maxLen: 100 },
    open: (given, answer) => {
      options = given;
      decide = answer;
      return queues as unknown as Queues;
    },
  });
  /** The marks that packets for these pools get. */
  const marks = (...pools: number[]) => {
    const batch = emptyBatch(pools.length);
    batch.family.fill(4);
    batch.dport.set(pools);
    decide(batch, pools.length);
    return [...batch.marks];
  };
  /** The answers to errors about connections from these ports, all of the first target. */
  const errors = (...sports: number[]) => {
    const batch = emptyBatch(sports.length);
    batch.family.fill(4);
    batch.proto.fill(1);
    batch.dport.fill(0x300);
    batch.oldMark.fill(0x100);
    batch.copied.fill(52);
    for (const [i, sport] of sports.entries()) {
      batch.bytes.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1], 128 * i);
      batch.bytes.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6], 128 * i + 28);
      batch.bytes[128 * i + 49] = sport;
    }
    decide(batch, sports.length);
    return [...batch.marks];
  };
  const late = (flows: number) => {
    lateFlows += flows;
    options!.onLate!(60);
  };
  return { balancer, states, marks, errors, late, lines, done, options: options!, shape };
}

describe('Balancer', () => {
  it('drops an error about a connection of its own when its listener says so', () => {
    const { errors, done } = made({ wans: LAST });
    assert.deepEqual(errors(1, 2), [DROP, 0]);
    assert.deepEqual(done, [], 'no strategy was asked');
  });

  it('tells what the kernel chose for because a decision was late, whatever the listener does', () => {
    const { done, options } = made({ a: LAST, b: LAST }, 'service');
    const batch = emptyBatch(4);
    batch.family.fill(4);
    batch.dport.set([0, 1, 5, 0]);
    batch.sport.set([1, 2, 3, 4]);
    batch.atMs.set([100, 90, 80, 70]);
    options.onTold!(batch, 0, 4, () => 100);
    assert.deepEqual(done, [
      'the kernel chose for a, 0 ms ago',
      'the kernel chose for b, 10 ms ago',
      'the kernel chose for a, 30 ms ago',
    ]);
    assert.deepEqual([...batch.marks], [0, 0, 0, 0]);
  });

  it('opens its queues for its field, and answers with the pool that a packet is for', () => {
    const { marks, done, options } = made({ a: LAST, b: BROKEN }, 'service');
    const { num, mask, lateNotice } = options;
    assert.deepEqual([num, mask], [7, 0xff00]);
    assert.match(lateNotice!, /^wanmark: a service's strategy has not answered/);
    assert.deepEqual(marks(0, 1, 9), [0x200, 0, 0]);
    assert.deepEqual(done, ['decided 2', 'a chose wan2']);
  });

  it('shows each pool separately, with the states that they share', () => {
    const { balancer, states, marks } = made({ a: LAST, b: LAST }, 'service');
    marks(0, 0, 1);
    turn(states, WANS[1]!, false);
    states.setWeight('wan1', 5);
    marks(0);
    assert.deepEqual(
      balancer
        .status()
        .map((lines) =>
          lines.map((one) => [one.name, one.weight, one.state, one.connections, one.picks, one.target]),
        ),
      [
        [
          ['wan1', 5, 'up', 10, 1, 1],
          ['wan2', 3, 'down', 20, 2, 0],
        ],
        [
          ['wan1', 5, 'up', 10, 0, 1],
          ['wan2', 3, 'down', 20, 1, 0],
        ],
      ],
    );
    assert.deepEqual([...balancer.candidates(4)], ['wan1']);
  });

  it('goes over to other pools with the same queues: what is the same stays, and the rest keeps its counts', () => {
    const { balancer, marks, shape, done, options } = made({ a: LAST, b: BROKEN }, 'service');
    marks(0, 0, 1);
    const [a] = balancer.pools;
    done.length = 0;
    balancer.reshape(shape({ a: LAST, c: LAST }, WANS, 'service'));
    assert.equal(balancer.pools[0], a);
    assert.deepEqual(marks(0, 1), [0x200, 0x200]);
    assert.deepEqual(done, ['undecided from 0', 'decided 2', 'a chose wan2', 'decided 2', 'c chose wan2']);
    assert.equal(balancer.faults().threw, 1, 'those of a pool that is gone count on');

    const others = [wan(1, { weight: 4 }), WANS[1]!, wan(3)];
    balancer.reshape({ ...shape({ c: LAST, a: LAST }, others), undecidedFrom: 9 });
    assert.notEqual(balancer.pools[1], a);
    assert.deepEqual(marks(0, 1), [0x300, 0x300]);
    assert.ok(done.includes('undecided from 900'));
    const picks = balancer.status().map((lines) => lines.map((one) => one.picks));
    assert.deepEqual(picks, [
      [0, 1, 1],
      [0, 3, 1],
    ]);
    assert.equal(options.num, 7);
  });

  it('counts the faults of all its strategies, and says which strategy had them', () => {
    const { balancer, marks, late, lines } = made({ a: LAST, b: BROKEN }, 'service');
    marks(1, 1);
    late(3);
    assert.deepEqual(balancer.faults(), { threw: 2, noCandidate: 0, late: 1 });
    assert.deepEqual(
      lines.map(({ service, strategy, connections }) => [service, strategy, connections]),
      [
        ['b', 'strategy of b', undefined],
        [undefined, "a service's", 3],
      ],
    );
  });

  it('knows which strategy was late where there is only one pool', () => {
    const { balancer, late, lines, options } = made({ wans: LAST });
    assert.match(options.lateNotice!, /^wanmark: strategy strategy of wans has not/);
    late(2);
    late(3);
    assert.deepEqual(balancer.faults(), { threw: 0, noCandidate: 0, late: 2 });
    assert.deepEqual([lines[0]!.strategy, lines[0]!.connections, lines.length], ['strategy of wans', 2, 1]);
  });

  it('forgets a mark inside its field', () => {
    const { balancer, done } = made({ wans: LAST });
    balancer.forget(2);
    assert.deepEqual(done, ['forget 200/ff00']);
  });

  it('closes its queues first, then sums up each member', async () => {
    const { balancer, marks, lines, done } = made({ wans: LAST });
    marks(0, 0, 0);
    done.length = 0;
    await balancer.stop();
    assert.deepEqual(done, ['close']);
    assert.deepEqual(
      lines.map(({ level: _level, ...line }) => line),
      [
        { pool: 'wans', wan: 'wan1', mark: 1, weight: 1, picks: 0, share: 0, msg: 'summary' },
        { pool: 'wans', wan: 'wan2', mark: 2, weight: 3, picks: 3, share: 1, msg: 'summary' },
      ],
    );
  });
});
