import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Entry, Tuple } from '#wanmark/conntrack/requests.js';
import { networkOf } from '#wanmark/wan/passive/destinations.js';
import { predictive, Rate } from '#wanmark/wan/passive/rate.js';
import { isAnswered, LOOKS_MS, PassiveWatch } from '#wanmark/wan/passive/watch.js';
import { FakeClock } from './fake-clock.js';
import { simulate, type World } from './passive-world.js';

/** Seconds from the black hole to the suspicion of w1 in several worlds, sorted; none may come before the black hole. */
function delays(world: Omit<World, 'seed' | 'seconds' | 'blackholeAt'>, worlds = 8): number[] {
  const found = Array.from({ length: worlds }, (_, i) => {
    const { suspicions } = simulate({
      ...world,
      seed: i + 1,
      seconds: 80,
      blackholeAt: 40,
      stopAtSuspicion: true,
    });
    const [first] = suspicions;
    assert.equal(first?.wan, 'w1', `seed ${i + 1}`);
    assert.ok(first.at >= 41, `seed ${i + 1}: suspected at ${first.at} s, before the black hole`);
    return first.at - 40;
  });
  return found.sort((a, b) => a - b);
}

/** Suspicions in worlds where every WAN works. */
function falseAlarms(world: Omit<World, 'seed' | 'seconds'>, worlds = 2): string[] {
  return Array.from(
    { length: worlds },
    (_, i) => simulate({ ...world, seed: 100 + i, seconds: 250 }).suspicions,
  )
    .flat()
    .map(({ wan, at, reason }) => `${wan} at ${at}: ${reason}`);
}

describe('a black hole among three WANs', () => {
  // Limits of median and slowest. In 100 worlds the medians were 1.1, 1.1, 1.5, 3.8 s, the slowest 1.2, 1.2, 3, 9 s.
  for (const [perSecond, dead, median, slowest] of [
    [200, 0.05, 1.5, 2],
    [200, 0.2, 1.5, 2.5],
    [20, 0.05, 2, 5],
    [5, 0.05, 6, 15],
  ] as const) {
    it(`is suspected within ${median} s at ${perSecond} connections/s, ${100 * dead} % of destinations dead`, () => {
      const sorted = delays({ perSecond, dead });
      assert.ok(sorted[4]! <= median, `median ${sorted[4]} s`);
      assert.ok(sorted.at(-1)! <= slowest, `slowest ${sorted.at(-1)} s`);
    });
  }

  it('is found with only two WANs, too, and with one destination for all', () => {
    assert.ok(delays({ perSecond: 50, dead: 0.05, wans: 2 }).at(-1)! < 5);
    assert.ok(delays({ perSecond: 50, dead: 0, destinations: 1 }).at(-1)! < 2.5);
  });

  it('stays suspected, is tried each ten seconds and found dead again', () => {
    const { suspicions } = simulate({ seed: 1, perSecond: 50, dead: 0.05, seconds: 120, blackholeAt: 60 });
    assert.ok(suspicions.length >= 4 && suspicions.length <= 6, `${suspicions.length}`);
    assert.ok(suspicions.every(({ wan }) => wan === 'w1'));
    assert.match(
      suspicions[0]!.reason,
      /^\d+ new connections unanswered for up to \d\.\d s while other WANs answered \d+ of \d+$/,
    );
  });
});

/** Round trips where w1's rise to `ms` within `seconds` each minute, and stay there for a while. */
function fills(seconds: number, ms = 1500): World['rttMs'] {
  return (wan, at) =>
    wan === 'w1' ? 60 + (ms - 60) * Math.min(1, Math.max(0, (at % 60) - 40) / seconds) : 60;
}

/** Loss where half of w1's round trips fail for half of each minute. */
const lossy: World['loss'] = (wan, at) => (wan === 'w1' && at % 60 > 30 ? 0.51 : 0.01);

describe('no WAN that works is suspected', () => {
  const world = { perSecond: 30, dead: 0.05 };
  for (const [name, more] of [
    ['with 5 % dead destinations', {}],
    ['with 40 %', { dead: 0.4 }],
    ['at 5 connections/s', { perSecond: 5 }],
    ['when the most popular destination dies', { isDead: (d: number, t: number) => d === 0 && t % 100 > 50 }],
    ['when everything dies', { isDead: (_: number, t: number) => t % 100 > 80 }],
    [
      'when every destination has its WAN, and many are dead',
      { dead: 0.3, choose: (_: unknown, d: number) => d % 3 },
    ],
    ['by a satellite', { rttMs: (wan: string) => (wan === 'w1' ? 650 : 60) }],
    ['when its buffer fills to 1.5 s within 2 s', { rttMs: fills(2) }],
    ['when it does at 200 connections/s', { perSecond: 200, rttMs: fills(2) }],
    ['when it fills to 1 s at once', { rttMs: fills(0.1, 1000) }],
    ['when it loses 30 % each way', { loss: lossy }],
    [
      'when it loses 30 % each way at 100/s, with one destination',
      { perSecond: 100, destinations: 1, loss: lossy },
    ],
    [
      'when it loses 30 % each way at 10/s, with few destinations',
      { perSecond: 10, dead: 0.02, destinations: 5, loss: lossy },
    ],
    ['as the only one', { wans: 1, isDead: (_: number, t: number) => t > 100 }],
  ] as [string, Partial<World>][]) {
    it(name, () => assert.deepEqual(falseAlarms({ ...world, ...more }), []));
  }

  it('when two of three die, since most are never suspected', () => {
    const { suspicions } = simulate({
      seed: 3,
      ...world,
      seconds: 100,
      isDead: (_, t, wan) => t > 60 && wan !== 'w3',
    });
    // Both show it within about a second; a suspicion of one of them is dropped then.
    assert.ok(suspicions.every(({ wan }) => wan !== 'w3'));
  });
});

describe('the figures', () => {
  it('a probability of k unanswered falls slowly with little seen, fast with much', () => {
    const none = { answered: 0, unanswered: 0 };
    assert.equal(predictive(0, none, 1, 9), 1);
    assert.ok(Math.abs(predictive(1, none, 1, 9) - 0.1) < 1e-12);
    assert.ok(Math.abs(predictive(2, none, 1, 9) - 0.1 * (2 / 11)) < 1e-12);
    assert.ok(predictive(5, { answered: 990, unanswered: 0 }, 1, 9) < 1e-11);
    assert.ok(predictive(5, { answered: 0, unanswered: 1000 }, 1, 9) > 0.9);
  });

  it('a rate forgets half in a minute', () => {
    const rate = new Rate();
    for (let i = 0; i < 8; i++) rate.add(i < 6, 0);
    assert.deepEqual(rate.counts(60_000), { answered: 3, unanswered: 1 });
  });

  it('a network is a /24 or a /48', () => {
    const networks = ['192.0.2.77', '2001:db8:1::5', '2001:db8:1:2:3:4:5:6', '::1', '2001::5'].map(networkOf);
    assert.deepEqual(networks, ['192.0.2', '2001:db8:1', '2001:db8:1', '0:0:0', '2001:0:0']);
  });
});

describe('the watch', () => {
  const SYN_SENT: Entry = { mark: 1, status: 8, timeout: 100, tcpState: 'SYN_SENT' };
  const ANSWERED: Entry = { mark: 1, status: 10, timeout: 100, tcpState: 'ESTABLISHED' };

  it('reads an entry: UDP without a reply and what is gone say nothing', () => {
    assert.equal(isAnswered(6, SYN_SENT), false);
    assert.equal(isAnswered(6, ANSWERED), true);
    assert.equal(isAnswered(6, { ...SYN_SENT, tcpState: 'CLOSE' }), undefined);
    assert.equal(isAnswered(17, { status: 8, tcpState: undefined }), undefined);
    assert.equal(isAnswered(17, { status: 10, tcpState: undefined }), true);
    assert.equal(isAnswered(6, undefined), undefined);
  });

  function watch(answers: (tuple: Tuple) => Entry | undefined) {
    const clock = new FakeClock();
    const told: string[] = [];
    let lookups = 0;
    let unjudged = 0;
    const it = new PassiveWatch({
      lookup: async (tuple) => {
        lookups++;
        unjudged++;
        return answers(tuple);
      },
      clock,
      available: () => {
        unjudged = 0;
        return ['a', 'b'];
      },
      onSuspicion: (wan, family, suspicion) =>
        told.push(`${wan} ${family} ${suspicion ? 'suspected' : 'over'}`),
    });
    const connect = (wan: string, sport: number) => {
      const tuple: Tuple = { family: 4, proto: 6, src: '10.0.0.1', dst: '203.0.113.10', sport, dport: 443 };
      if (it.wants(wan, 4, 6)) it.decided(wan, tuple);
    };
    return { it, clock, told, connect, lookups: () => lookups, unjudged: () => unjudged };
  }

  it('tells of a WAN that does not answer, and when the suspicion is over', async () => {
    const { it, clock, told, connect, lookups } = watch(({ sport }) => (sport < 1000 ? SYN_SENT : ANSWERED));
    for (let tick = 0; tick < 15; tick++) {
      for (let i = 0; i < 20; i++) {
        connect('a', tick * 20 + i);
        connect('b', 1000 + tick * 20 + i);
      }
      await clock.pass(100);
    }
    assert.deepEqual(told, ['a 4 suspected']);
    await clock.pass(11_000);
    assert.deepEqual(told, ['a 4 suspected', 'a 4 over']);
    // Each tick takes two samples of each WAN, and looks at unanswered ones until it gives them up.
    assert.ok(lookups() <= 15 * 2 * (1 + LOOKS_MS.length), `${lookups()} look-ups`);
    assert.equal(clock.pending, 0, 'idle without decisions');
    it.stop();
  });

  it('takes two connections of a WAN in 100 ms, however often it looks', async () => {
    const { it, clock, connect, lookups } = watch(() => ANSWERED);
    for (let at = 0; at < 1000; at += 5) {
      connect('a', at);
      await clock.pass(5);
    }
    await clock.pass(1000);
    assert.ok(lookups() >= 18 && lookups() <= 22, `${lookups()} connections`);
    it.stop();
  });

  it('judges the result of the last look even when no more connections come', async () => {
    const { it, clock, connect, lookups, unjudged } = watch(() => ANSWERED);
    connect('a', 1);
    await clock.pass(1000);
    assert.deepEqual([lookups(), unjudged(), clock.pending], [1, 0, 0]);
    it.stop();
  });

  it('forgets what a WAN was given before it came back', async () => {
    for (const restarts of [false, true]) {
      const { it, clock, told, connect } = watch(({ sport }) => (sport < 1000 ? SYN_SENT : ANSWERED));
      for (let tick = 0; tick < 9; tick++) {
        connect('a', tick);
        connect('b', 1000 + tick);
        await clock.pass(100);
      }
      if (restarts) it.restart('a', 4);
      await clock.pass(1500);
      assert.deepEqual(told, restarts ? [] : ['a 4 suspected']);
      it.stop();
    }
  });

  it('counts no time in which the process stood still, and finds a dead WAN all the same', async () => {
    let dead = true;
    const { it, clock, told, connect } = watch(({ sport }) => (dead && sport < 1000 ? SYN_SENT : ANSWERED));
    for (let tick = 0; tick < 9; tick++) {
      connect('a', tick);
      connect('b', 1000 + tick);
      await clock.pass(100);
    }
    clock.stall(3000);
    await clock.pass(100);
    dead = false;
    await clock.pass(3000);
    assert.deepEqual(told, []);
    dead = true;
    for (let tick = 0; tick < 25; tick++) {
      connect('a', tick);
      connect('b', 1000 + tick);
      if (tick % 5 === 4) clock.stall(300);
      await clock.pass(100);
    }
    assert.deepEqual(told, ['a 4 suspected']);
    it.stop();
  });

  it('takes only what has a port, and survives a look-up that fails', async () => {
    const { it, clock, told, connect } = watch(() => {
      throw new Error('EPERM');
    });
    assert.deepEqual([it.wants('a', 4, 1), it.wants('a', 0, 6), it.wants('a', 6, 17)], [false, false, true]);
    connect('a', 1);
    await clock.pass(5_000);
    assert.deepEqual([told, clock.pending], [[], 0]);
    connect('a', 2);
    it.stop();
    assert.equal(clock.pending, 0);
  });
});
