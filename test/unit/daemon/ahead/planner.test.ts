import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Counts } from '#wanmark/core/counts.js';
import type { Family } from '#wanmark/core/family.js';
import { MarkField } from '#wanmark/core/mark.js';
import { Pool } from '#wanmark/core/pool.js';
import { Sequence } from '#wanmark/core/sequence.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import type { StrategyFactory } from '#wanmark/core/strategy.js';
import { targetId } from '#wanmark/core/target.js';
import { type Wan, wanMember } from '#wanmark/core/wan.js';
import { Planner } from '#wanmark/daemon/ahead/planner.js';
import { MOST_AHEAD, Plans } from '#wanmark/queue/plans.js';
import { flow, statesOf, wan } from '../../flows.js';

const FIELD = new MarkField(0xff00);
const POLICY = 200;

/** A planner over real plans; the test takes the choices that a queue would use. */
function made(name: string, wans: readonly Wan[], slowStartMs = 0, factory = STRATEGIES.get(name)!) {
  const clock = { ms: 0 };
  const counts = new Counts();
  const live = new Map<number, number>();
  counts.source = (mark) => live.get(mark) ?? 0;
  const states = statesOf(wans, slowStartMs, () => clock.ms);
  const context = { random: () => 0.5, now: () => clock.ms, connections: counts.connections };
  const makePool = (poolName: string) =>
    new Pool({
      name: poolName,
      members: wans.map(wanMember),
      strategy: { name, strategy: factory(context) },
      states,
      onFault: assert.fail,
    });
  const [pool, other] = [makePool('default'), makePool('voice')];
  const plans = new Plans();
  const told: string[] = [];
  const planner = new Planner(
    {
      plans,
      field: FIELD,
      tell: () => void told.push('told'),
      onFault: (error) => assert.fail(String(error)),
    },
    () => clock.ms,
  );
  const counting = factory.needs?.includes('connections') === true;
  states.watch(() => planner.refresh());
  const { tellSome } = plans;
  /** By field and family, in the order in which it was said. */
  const some: [number, number, boolean][] = [];
  plans.tellSome = (key, value) => {
    some.push([FIELD.decode(key.field), key.family, value]);
    tellSome.call(plans, key, value);
  };
  const each = new Set<string>();
  planner.follow({
    numbers: [0, POLICY],
    poolOf: (number) => (number === 0 ? pool : other),
    countsOf: () => (counting ? { counts } : undefined),
    tellsEach: ({ name }) => each.has(name),
  });
  /** Uses choices as the queues do; 0 where a packet would be asked about. */
  const use = (count: number, family: Family = 4, number = 0) =>
    Array.from({ length: count }, () =>
      FIELD.decode(plans.take({ field: number === 0 ? 0 : FIELD.encode(number), family }) ?? 0),
    );
  return { planner, plans, pool, states, use, told, live, clock, some, each };
}

/** By weights, of which is not known that a round is like the one before. */
const withoutPeriod: StrategyFactory = (context) => {
  const strategy = STRATEGIES.get('weighted')!(context);
  return { ...strategy, sequence: { turns: strategy.sequence!.turns } };
};

const sum = (marks: readonly number[], mark: number) => marks.filter((one) => one === mark).length;

/** Waits for as many turns of the event loop as it takes. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

describe('Planner', () => {
  it('says what as many picks would have answered, however often it goes on', () => {
    const wans = [wan(1, { weight: 5 }), wan(2, { weight: 3 }), wan(3)];
    const { planner, use } = made('weighted', wans);
    const { pool: picks, planner: idle } = made('weighted', wans);
    idle.stop();
    for (let round = 0; round < 200; round++) {
      const used = use(7 + (round % 100));
      assert.deepEqual(
        used,
        used.map(() => picks.select(flow())!.configured.mark),
      );
      planner.refill();
    }
    planner.stop();
  });

  it('gives both families one order where they have the same candidates, and each policy its own', () => {
    const { use, planner } = made('weighted', [wan(1), wan(2), wan(3)]);
    assert.deepEqual([...use(2, 4), ...use(2, 6), ...use(2, 4)], [1, 2, 3, 1, 2, 3]);
    assert.deepEqual([...use(2, 4, POLICY), ...use(1, 6, POLICY)], [1, 2, 3]);
    planner.stop();
  });

  it('uses nothing of what was said before a change, and goes on as if that had never been said', () => {
    const wans = [wan(1, { weight: 2 }), wan(2), wan(3)];
    const { states, use, planner } = made('weighted', wans);
    const id = targetId('wan1', 4);
    assert.equal(sum(use(2), 1), 1);
    states.found(id, { up: false, since: 0, reason: 'test', heldUntil: undefined });
    assert.equal(sum(use(100), 1), 0);
    states.found(id, { up: true, since: 0, reason: 'test', heldUntil: undefined });
    assert.equal(sum(use(10), 1), 0, 'it is not admitted yet');
    states.admit(id);
    const used = use(42);
    // Two of the round of four were used before.
    assert.deepEqual([sum(used.slice(0, 2), 1), sum(used.slice(2), 1)], [1, 20]);
    states.setWeight('wan2', 0);
    assert.equal(sum(use(100), 2), 0);
    planner.stop();
    assert.deepEqual(use(1), [0]);
  });

  it('keeps the shares exact where the queues run out and repeat', () => {
    const wans = [wan(1, { weight: 5 }), wan(2, { weight: 3 }), wan(3)];
    const { use, planner, plans } = made('weighted', wans, 0, withoutPeriod);
    const all = use(10_001);
    // A queue goes on while more is found for it, and may use up what it was given meanwhile.
    const { append } = plans;
    const uses = [1, 1, 1, 0, 9, 1, 0, 12, 0, 0, 40];
    plans.append = (...given) => {
      all.push(...use(uses.shift() ?? 0));
      return append.apply(plans, given);
    };
    while (uses.length > 0) {
      planner.refill();
      all.push(...use(300));
    }
    planner.refill();
    all.push(...use(8));
    for (let from = 0; from + 9 <= all.length; from++) {
      const run = all.slice(from, from + 9);
      assert.deepEqual(
        [1, 2, 3].map((mark) => sum(run, mark)),
        [5, 3, 1],
        `run at ${from}`,
      );
    }
    planner.stop();
  });

  it('says more beforehand where half is used, and more at a time where that is soon', () => {
    const { planner, plans, use, clock } = made('random', [wan(1), wan(2)]);
    const key = { field: 0, family: 4 } as const;
    for (let i = 0; i < 10; i++) {
      assert.equal(plans.progress(key).ahead, 256);
      clock.ms += 1000;
      use(127);
      planner.refill();
      assert.equal(plans.progress(key).ahead, 129);
      use(1);
      planner.refill();
    }
    for (let i = 0; i < 10; i++) {
      use(plans.progress(key).ahead);
      planner.refill();
    }
    assert.equal(plans.progress(key).ahead, MOST_AHEAD);
    planner.stop();
  });

  it('says no more than a round of what goes on as it began', () => {
    const wans = [wan(1, { weight: 500 }), wan(2, { weight: 300 }), wan(3)];
    const { planner, plans, use, states } = made('weighted', wans);
    const { pool: picks, planner: idle } = made('weighted', wans);
    idle.stop();
    const { append } = plans;
    let said = 0;
    plans.append = (...given) => {
      said++;
      return append.apply(plans, given);
    };
    const asPicked = (count: number) => {
      const picked = Array.from({ length: count }, () => picks.select(flow())!.configured.mark);
      const first = use(count).findIndex((mark, i) => mark !== picked[i]);
      assert.equal(first, -1, 'where they differ');
    };
    for (let round = 0; round < 10; round++) {
      asPicked(399 + round);
      planner.refill();
    }
    assert.equal(said, 0);
    // It goes on behind what was used also when something has changed in between.
    const id = targetId('wan3', 4);
    states.found(id, { up: false, since: 0, reason: 'test', heldUntil: undefined });
    states.found(id, { up: true, since: 0, reason: 'test', heldUntil: undefined });
    states.admit(id);
    asPicked(1000);
    planner.stop();
  });

  it('plans by counts from when it is asked until nobody uses that', async () => {
    const { planner, plans, use, live, clock, told } = made('least-connections', [wan(1), wan(2)]);
    assert.deepEqual(use(1), [0], 'the first packet is asked about');
    live.set(1, 1_000_000);
    planner.asked(0, 4);
    assert.deepEqual(use(4), [2, 2, 2, 2]);
    live.set(1, 0).set(2, 100);
    const before = told.length;
    await new Promise<void>((resolve) => {
      const look = () => (use(1)[0] === 1 ? resolve() : setImmediate(look));
      look();
    });
    assert.ok(told.length > before, 'what was used is counted first');
    await until(() => {
      clock.ms += 10_000;
      return plans.progress({ field: 0, family: 4 }).ahead === 0;
    });
    assert.deepEqual(use(1), [0]);
    planner.stop();
  });

  it('counts what it says as connections, so many at once are spread', () => {
    const { planner, use } = made('least-connections', [wan(1, { weight: 2 }), wan(2)]);
    planner.asked(0, 4);
    assert.equal(sum(use(30), 1), 20);
    planner.stop();
  });

  it('stands it when the queues use up all that there is while it counts anew', () => {
    const { planner, plans, use, live } = made('least-connections', [wan(1), wan(2)]);
    planner.asked(0, 4);
    use(40);
    const { replace } = plans;
    plans.replace = (...given) => {
      use(1000);
      return replace.apply(plans, given);
    };
    planner.recount();
    use(1000);
    planner.recount();
    live.set(1, 1_000_000);
    planner.recount();
    assert.equal(sum(use(10), 1), 0);
    planner.stop();
  });

  it('writes a table, by which each flow has the member that a pick gives it', async () => {
    const wans = [wan(1, { weight: 5 }), wan(2, { weight: 3 }), wan(3)];
    const { planner, plans, states } = made('source-hash', wans);
    let writes = 0;
    const { setTable } = plans;
    plans.setTable = (...given) => {
      writes++;
      setTable.apply(plans, given);
    };
    assert.equal(writes, 0);
    await until(() => writes === 4);
    const id = targetId('wan1', 4);
    states.found(id, { up: false, since: 0, reason: 'test', heldUntil: undefined });
    await until(() => writes === 6);
    // The same candidates again need no new table.
    states.found(id, { up: true, since: 0, reason: 'test', heldUntil: undefined });
    states.admit(id);
    assert.equal(writes, 8);
    planner.stop();
  });

  it('leaves it to the strategy while a member is warming up', () => {
    const { planner, states, use } = made('weighted', [wan(1), wan(2)], 1000);
    const id = targetId('wan1', 4);
    states.found(id, { up: false, since: 0, reason: 'test', heldUntil: undefined });
    assert.deepEqual(use(2), [2, 2]);
    states.found(id, { up: true, since: 0, reason: 'test', heldUntil: undefined });
    states.admit(id);
    assert.deepEqual(use(1), [0]);
    planner.stop();
  });

  it('has a sample told, or each choice of those pools for whom somebody has to hear of it', async () => {
    const { planner, states, some, each } = made('weighted', [wan(1), wan(2)]);
    const last = () => some.slice(-2).map(([number, , value]) => [number, value]);
    assert.deepEqual(last(), [
      [0, true],
      [POLICY, true],
    ]);
    each.add('voice');
    states.found(targetId('wan1', 4), { up: false, since: 0, reason: 'test', heldUntil: undefined });
    assert.deepEqual(
      some.slice(-4).map(([number, family, value]) => [number, family, value]),
      [
        [0, 4, true],
        [0, 6, true],
        [POLICY, 4, false],
        [POLICY, 6, false],
      ],
    );
    planner.stop();
    const table = made('source-hash', [wan(1), wan(2)]);
    table.each.add('default');
    table.planner.refresh();
    let written = 0;
    const { setTable } = table.plans;
    table.plans.setTable = (...given) => {
      setTable.apply(table.plans, given);
      written = table.some.length;
    };
    // It was said before there is a table, and again when there is.
    await until(() => written > 0 && table.some.length > written);
    assert.equal(table.some.at(-1)![2], table.some.at(-1)![0] === POLICY);
    table.planner.stop();
  });

  it('counts what the queues decided for the pool that chose, whatever comes after it', () => {
    const { planner, plans, pool, states } = made('weighted', [wan(1), wan(2)]);
    let counts: [number, number][] = [[FIELD.encode(2), 7]];
    plans.takeCounts = ({ field }) => (field === 0 ? new Map(counts.splice(0)) : new Map());
    planner.count();
    planner.count();
    assert.deepEqual(
      pool.members.map(({ picks }) => picks),
      [0, 7],
    );
    counts = [
      [FIELD.encode(1), 2],
      [FIELD.encode(9), 1],
    ];
    states.found(targetId('wan1', 4), { up: false, since: 0, reason: 'test', heldUntil: undefined });
    assert.deepEqual(
      pool.members.map(({ picks }) => picks),
      [2, 7],
    );
    planner.stop();
  });

  it('knows the member of what the queues decided', () => {
    const { planner } = made('weighted', [wan(1), wan(2)]);
    const chosen = planner.chosen(FIELD.encode(2) | 0x55, FIELD.encode(POLICY) | 0x77, 6)!;
    assert.deepEqual([chosen.pool.name, chosen.member.target.name], ['voice', 'wan2']);
    assert.equal(planner.chosen(FIELD.encode(9), 0, 4), undefined);
    planner.stop();
  });
});

describe('a sequence that was taken back', () => {
  it('is where it was, also with a strategy that several sequences use', () => {
    const strategy = STRATEGIES.get('weighted')!({ random: () => 0, now: () => 0, connections: () => 0 });
    const wans = [wan(1), wan(2)];
    const [one, two] = [new Sequence(strategy as never, wans), new Sequence(strategy as never, wans)];
    const into = new Uint16Array(1);
    one.next(into, assert.fail);
    two.next(new Uint16Array(101), assert.fail);
    two.takeBack();
    one.next(into, assert.fail);
    assert.deepEqual([...into], [1]);
  });
});
