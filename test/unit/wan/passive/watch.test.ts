import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { Entry } from '#wanmark/conntrack/requests.js';
import type { Flow } from '#wanmark/core/flow.js';
import type { Tuple } from '#wanmark/core/tuple.js';
import { isAnswered } from '#wanmark/wan/passive/answered.js';
import { Destinations } from '#wanmark/wan/passive/destinations.js';
import { Evidence } from '#wanmark/wan/passive/evidence.js';
import { Watch } from '#wanmark/wan/passive/watch.js';
import { seeded } from '../../../helpers/random.js';
import { flow } from '../../flows.js';
import { FakeClock } from '../fake-clock.js';

const UNREPLIED: Entry = { mark: 1, status: 8, timeout: 100, tcpState: 'SYN_SENT' };
const REPLIED: Entry = { mark: 1, status: 10, timeout: 100, tcpState: 'ESTABLISHED' };

/** The connection from a client's port. */
const connection = (sport: number, fields: Partial<Flow> = {}) => flow({ sport, ...fields });

const watches: Watch[] = [];
afterEach(() => {
  for (const watch of watches.splice(0)) watch.stop();
});

/** A watch of two WANs, `a` and `b`, and a conntrack for it, keyed by the client's port. */
function made({
  mayMove = true,
  forgets = true,
  onUnanswered,
}: {
  mayMove?: boolean;
  forgets?: boolean;
  onUnanswered?: (wan: string) => void;
} = {}) {
  const clock = new FakeClock();
  const entries = new Map<number, { entry: Entry; wan: string }>();
  const evidence = { 4: new Evidence(), 6: new Evidence() };
  const destinations = { 4: new Destinations(), 6: new Destinations() };
  const looks: [sport: number, at: number][] = [];
  const forgotten: [sport: number, wan: string, at: number][] = [];
  let judged = 0;
  const watch = new Watch({
    lookup: async ({ sport }) => {
      looks.push([sport, clock.now()]);
      return entries.get(sport);
    },
    forget: async (those) => {
      for (const { tuple, wan } of those) {
        forgotten.push([tuple.sport, wan, clock.now()]);
        if (forgets) entries.delete(tuple.sport);
      }
      return those.map(() => forgets);
    },
    mayMove: () => mayMove,
    evidence,
    destinations,
    wans: 2,
    clock,
    random: seeded(1),
    onEvidence: () => judged++,
    ...(onUnanswered && { onUnanswered }),
  });
  watches.push(watch);
  /** Gives a new connection to a WAN. */
  const decide = (wan: string, one: Flow, entry = UNREPLIED) => {
    entries.set(one.sport, { entry, wan });
    watch.decided(wan, one);
  };
  const answer = (sport: number) => {
    entries.set(sport, { ...entries.get(sport)!, entry: REPLIED });
  };
  const agesOf = (sport: number) => looks.filter(([one]) => one === sport).map(([, at]) => at);
  const isPaired = (wan: string) =>
    /that other WANs answered/.test(evidence[4].doubt(wan, ['a', 'b'], clock.now())?.reason ?? '');
  return {
    watch,
    clock,
    entries,
    evidence,
    destinations,
    looks,
    forgotten,
    judged: () => judged,
    decide,
    answer,
    agesOf,
    isPaired,
  };
}

describe('isAnswered', () => {
  it('reads an entry: UDP without a reply and what is gone say nothing', () => {
    assert.equal(isAnswered(6, UNREPLIED), false);
    assert.equal(isAnswered(6, REPLIED), true);
    assert.equal(isAnswered(6, { ...UNREPLIED, tcpState: 'CLOSE' }), undefined);
    assert.equal(isAnswered(17, { status: 8, tcpState: undefined }), undefined);
    assert.equal(isAnswered(17, { status: 10, tcpState: undefined }), true);
    assert.equal(isAnswered(6, undefined), undefined);
  });
});

describe('the looks of a watch', () => {
  it('come until there is an answer, and the age before it is how long it took', async () => {
    const { clock, decide, answer, agesOf, evidence } = made({ mayMove: false });
    decide('a', connection(1));
    await clock.pass(600);
    answer(1);
    await clock.pass(5000);
    assert.deepEqual(agesOf(1), [250, 500, 900]);
    assert.equal(evidence[4].heardAt('a'), 900);
    assert.equal(evidence[4].answeredUpTo('a'), 0);
  });

  it('end with the last one, before the client sends its SYN again after 3 s', async () => {
    const { clock, decide, agesOf, judged } = made({ mayMove: false });
    decide('a', connection(1));
    await clock.pass(10_000);
    assert.deepEqual(agesOf(1), [250, 500, 900, 1250, 1750, 2300, 2900]);
    assert.equal(clock.pending, 0, 'nothing to do');
    assert.ok(judged() >= 7);
  });

  it('end with an entry that is gone, which says nothing', async () => {
    const { clock, decide, entries, agesOf, evidence } = made();
    decide('a', connection(1));
    entries.clear();
    await clock.pass(5000);
    assert.deepEqual(agesOf(1), [250]);
    assert.equal(evidence[4].heardAt('a'), Number.NEGATIVE_INFINITY);
  });

  it('survive a conntrack that fails', async () => {
    const clock = new FakeClock();
    const evidence = { 4: new Evidence(), 6: new Evidence() };
    const watch = new Watch({
      lookup: async () => {
        throw new Error('EPERM');
      },
      forget: async () => [],
      mayMove: () => true,
      evidence,
      destinations: { 4: new Destinations(), 6: new Destinations() },
      wans: 2,
      clock,
      onEvidence: () => {},
    });
    watches.push(watch);
    watch.decided('a', connection(1));
    await clock.pass(5000);
    assert.equal(clock.pending, 0);
  });

  it('are for TCP and UDP, and none after the end', async () => {
    const { watch, clock, decide, looks } = made();
    decide('a', connection(1, { proto: 1 }));
    decide('a', connection(2, { family: 0 }));
    await clock.pass(1000);
    assert.deepEqual(looks, []);
    decide('a', connection(3));
    watch.stop();
    decide('a', connection(4));
    await clock.pass(1000);
    assert.deepEqual([looks, clock.pending], [[], 0]);
  });

  it('are at some 250 TCP connections of one WAN of two in a second, and at 20 of UDP', async () => {
    const { clock, decide, looks } = made();
    await clock.pass(1000);
    for (let at = 0; at < 2000; at += 5) {
      for (let i = 0; i < 5; i++) {
        decide('a', connection(2 * at + i, { proto: 6 }), REPLIED);
        decide('a', connection(30_000 + 2 * at + i, { proto: 17 }), { ...REPLIED, tcpState: undefined });
      }
      await clock.pass(5);
    }
    await clock.pass(1000);
    const tcp = looks.filter(([sport]) => sport < 30_000).length;
    const udp = looks.length - tcp;
    // The first second has what was saved up.
    assert.ok(tcp > 650 && tcp <= 760, `${tcp}`);
    assert.ok(udp > 50 && udp <= 61, `${udp}`);
  });

  it('go by the WAN that the kernel chose, if the decision came too late', async () => {
    const { clock, decide, entries, evidence, destinations } = made();
    decide('a', connection(1));
    entries.set(1, { entry: REPLIED, wan: 'b' });
    await clock.pass(400);
    assert.deepEqual([evidence[4].heardAt('a'), evidence[4].heardAt('b')], [Number.NEGATIVE_INFINITY, 250]);
    assert.deepEqual(
      destinations[4].pick('b', 1, 400).map(({ address, port }) => [address, port]),
      [['203.0.113.1', 80]],
    );
  });

  it('of UDP tell of answers only, and never of silence', async () => {
    const { clock, decide, evidence, destinations, forgotten } = made();
    const udp = { ...UNREPLIED, tcpState: undefined };
    for (let i = 1; i <= 5; i++) decide('a', connection(i, { proto: 17 }), udp);
    for (let i = 11; i <= 15; i++) decide('b', connection(i, { proto: 17 }), { ...udp, status: 10 });
    await clock.pass(5000);
    assert.equal(evidence[4].heardAt('b'), 250);
    assert.equal(evidence[4].doubt('a', ['b'], 1000), undefined);
    assert.deepEqual([forgotten, destinations[4].pick('b', 1, 1000)], [[], []]);
  });
});

describe('the second chance', () => {
  it('comes after 0.9 s, just before the next SYN, which then keeps off the WAN', async () => {
    const { watch, clock, decide, forgotten, isPaired, answer } = made();
    decide('a', connection(1));
    await clock.pass(875);
    assert.equal(watch.tried(connection(1)), undefined);
    await clock.pass(125);
    assert.deepEqual(forgotten, [[1, 'a', 900]]);
    assert.deepEqual([...watch.tried(connection(1))!], ['a']);
    assert.equal(watch.tried(connection(2)), undefined, 'another connection');
    assert.equal(watch.tried(connection(1, { proto: 17 })), undefined);
    decide('b', connection(1));
    answer(1);
    assert.equal(isPaired('a'), false);
    await clock.pass(125);
    assert.equal(isPaired('a'), true, 'another WAN answered it in less time');
  });

  it('is given once to a connection', async () => {
    const { clock, decide, forgotten } = made();
    decide('a', connection(1));
    await clock.pass(1000);
    decide('b', connection(1));
    await clock.pass(10_000);
    assert.equal(forgotten.length, 1);
  });

  it('is not given where no other WAN can have the connection, nor to what was answered', async () => {
    const alone = made({ mayMove: false });
    alone.decide('a', connection(1));
    await alone.clock.pass(5000);
    assert.deepEqual(alone.forgotten, []);
    const { clock, decide, forgotten, evidence } = made();
    decide('a', connection(1), REPLIED);
    await clock.pass(5000);
    assert.deepEqual(forgotten, []);
    assert.equal(evidence[4].heardAt('a'), 250);
  });

  it('is given to a connection that the kernel chose for, by the age that it has', async () => {
    const { watch, clock, entries, forgotten, evidence } = made();
    for (const sport of [1, 2, 3]) entries.set(sport, { entry: sport === 2 ? REPLIED : UNREPLIED, wan: 'a' });
    for (const sport of [1, 2, 3, 4]) watch.decidedByKernel(connection(sport), sport === 3 ? 2000 : 400);
    watch.decidedByKernel(connection(5, { proto: 17 }), 0);
    await clock.pass(3000);
    assert.deepEqual(forgotten, [
      [3, 'a', 25],
      [1, 'a', 500],
    ]);
    assert.equal(evidence[4].heardAt('a'), 25);
    assert.deepEqual([...watch.tried(connection(1))!], ['a']);
  });

  it('speaks against no WAN that the kernel gave the next SYN to as well, and that answered it', async () => {
    const { watch, clock, entries, decide, forgotten, isPaired } = made();
    decide('a', connection(1));
    await clock.pass(950);
    entries.set(1, { entry: REPLIED, wan: 'a' });
    watch.decidedByKernel(connection(1), 0);
    await clock.pass(500);
    assert.deepEqual([forgotten.length, isPaired('a')], [1, false]);
  });

  it('is given again where the kernel gave the next SYN to the same WAN', async () => {
    const { watch, clock, entries, decide, answer, forgotten, isPaired } = made();
    decide('a', connection(1));
    await clock.pass(950);
    entries.set(1, { entry: UNREPLIED, wan: 'a' });
    watch.decidedByKernel(connection(1), 0);
    await clock.pass(500);
    assert.deepEqual(forgotten, [
      [1, 'a', 900],
      [1, 'a', 1050],
    ]);
    decide('b', connection(1));
    answer(1);
    await clock.pass(125);
    assert.equal(isPaired('a'), true, 'it had 0.9 s, as the first time');
  });

  it('is taken back when the answer came in the last moment', async () => {
    const { watch, clock, decide, forgotten } = made({ forgets: false });
    decide('a', connection(1));
    await clock.pass(1000);
    assert.equal(forgotten.length, 1);
    assert.equal(watch.tried(connection(1)), undefined);
  });

  it('comes later where the WAN is known to take longer than a second', async () => {
    const { clock, decide, answer, forgotten, evidence } = made();
    for (let i = 0; i < 3; i++) evidence[4].times('a').add(900, 0);
    for (const sport of [1, 2]) decide('a', connection(sport));
    await clock.pass(1200);
    answer(1);
    await clock.pass(2000);
    assert.deepEqual(forgotten, [[2, 'a', 2900]]);
  });

  it('teaches that a WAN is slow where another one takes as long, and does not speak against it', async () => {
    const { clock, decide, answer, evidence, isPaired } = made();
    for (const sport of [1, 2]) decide('a', connection(sport));
    await clock.pass(1000);
    for (const sport of [1, 2]) decide('b', connection(sport));
    await clock.pass(1200);
    for (const sport of [1, 2]) answer(sport);
    await clock.pass(1000);
    assert.equal(isPaired('a'), false);
    assert.equal(evidence[4].times('a').patienceMs(clock.now()), 2900);
  });

  it('is remembered for fifteen seconds', async () => {
    const { watch, clock, decide } = made();
    decide('a', connection(1));
    await clock.pass(15_800);
    assert.notEqual(watch.tried(connection(1)), undefined);
    await clock.pass(200);
    assert.equal(watch.tried(connection(1)), undefined);
    assert.equal(clock.pending, 0);
  });

  it('takes what it moved from the silence of the WAN, whoever answers it', async () => {
    const { clock, decide, evidence } = made();
    for (let i = 1; i <= 3; i++) decide('a', connection(i));
    for (let i = 11; i <= 15; i++) decide('b', connection(i), REPLIED);
    await clock.pass(600);
    assert.match(evidence[4].doubt('a', ['b'], 600)!.reason, /^3 connections unanswered for up to 0\.5 s/);
    await clock.pass(1000);
    assert.equal(evidence[4].doubt('a', ['b'], 1600), undefined);
  });

  it('is given at once where a router calls the destination unreachable, and then no second time', async () => {
    const { watch, clock, decide, forgotten } = made();
    const one = connection(1);
    const tuple: Tuple = { ...one, family: 4 };
    decide('a', one);
    await clock.pass(100);
    assert.equal(watch.unreachable('a', tuple), true, 'the client hears nothing of it');
    assert.deepEqual([...watch.tried(one)!], ['a']);
    await clock.pass(25);
    assert.deepEqual(forgotten, [[1, 'a', 100]]);
    decide('b', one);
    assert.equal(watch.unreachable('b', tuple), false);
  });

  it('is given again where a SYN left by the same WAN before the connection was forgotten', async () => {
    const { watch, clock, decide, forgotten } = made();
    const tuple: Tuple = { ...connection(1), family: 4 };
    decide('a', connection(1));
    await clock.pass(100);
    assert.equal(watch.unreachable('a', tuple), true);
    await clock.pass(1000);
    assert.equal(watch.unreachable('a', tuple), true, 'no other WAN has been tried yet');
    await clock.pass(25);
    assert.deepEqual(forgotten, [
      [1, 'a', 100],
      [1, 'a', 1100],
    ]);
  });

  it('leaves errors to the clients where thousands come a second, until it has room again', async () => {
    const { watch, clock } = made();
    const fails = (n: number) => watch.unreachable('a', { ...connection(n), family: 4 });
    const moved = Array.from({ length: 9000 }, (_, n) => fails(n)).filter((isMoved) => isMoved).length;
    assert.equal(moved, 7500, '500 a second for as long as a move is remembered');
    await clock.pass(16_000);
    assert.equal(fails(9000), true);
  });

  it('leaves the error to the client where no other WAN is, and takes it for a reason to ask all the same', async () => {
    const { watch, evidence } = made({ mayMove: false });
    assert.equal(watch.unreachable('a', { ...connection(1), family: 4 }), false);
    assert.match(evidence[4].doubt('a', ['b'], 0)!.reason, /unreachable/);
  });
});

describe('a watch', () => {
  it('follows only the last decision of a connection that is decided anew', async () => {
    const { clock, decide, agesOf, evidence } = made();
    decide('a', connection(1));
    await clock.pass(300);
    decide('b', connection(1));
    await clock.pass(100);
    decide('b', connection(1), REPLIED);
    await clock.pass(5000);
    assert.equal(evidence[4].heardAt('a'), Number.NEGATIVE_INFINITY);
    assert.deepEqual(
      agesOf(1).filter((at) => at > 700),
      [],
    );
  });

  it('counts no time in which the process stood still', async () => {
    const { clock, decide, agesOf, forgotten } = made();
    decide('a', connection(1));
    await clock.pass(100);
    clock.stall(3000);
    await clock.pass(200);
    assert.deepEqual([agesOf(1).length, forgotten], [1, []]);
    await clock.pass(800);
    assert.equal(forgotten.length, 1);
    assert.ok(forgotten[0]![2] >= 3850, `${forgotten[0]}`);
  });

  it('tells of connections by the clock, however long the process once stood still', async () => {
    const { clock, decide, answer, evidence } = made({ mayMove: false });
    decide('a', connection(9), REPLIED);
    clock.stall(120_000);
    await clock.pass(1000);
    const began = clock.now();
    for (let i = 1; i <= 3; i++) decide('a', connection(i));
    for (let i = 11; i <= 15; i++) decide('b', connection(i), REPLIED);
    await clock.pass(600);
    assert.notEqual(evidence[4].doubt('a', ['b'], clock.now()), undefined);
    assert.equal(evidence[4].heardAt('b'), began + 250);
    assert.equal(evidence[4].answeredUpTo('b'), began);
    evidence[4].restart('a', clock.now() - 1);
    decide('a', connection(4));
    answer(4);
    await clock.pass(400);
    assert.equal(evidence[4].heardAt('a'), began + 850);
  });

  it('keeps the families apart', async () => {
    const { clock, decide, evidence } = made();
    decide('a', connection(1, { family: 6, src: 'fd00::1', dst: '2001:db8::1' }), REPLIED);
    await clock.pass(500);
    assert.deepEqual([evidence[4].heardAt('a'), evidence[6].heardAt('a')], [Number.NEGATIVE_INFINITY, 250]);
  });

  it('tells soon of what is gone, as after a reset, and of what has no answer from a quarter of a second on', async () => {
    const told: [string, number][] = [];
    const { clock, decide, entries } = made({ onUnanswered: (wan) => told.push([wan, clock.now()]) });
    decide('a', connection(1001));
    decide('b', connection(1002));
    decide('b', connection(1003), REPLIED);
    entries.delete(1001);
    await clock.pass(100);
    assert.deepEqual(told.splice(0), [['a', 25]]);
    await clock.pass(300);
    assert.deepEqual(told.splice(0), [['b', 250]]);
  });
});
