// The judgement of WANs in a simulated internet: what clients notice, when a WAN is avoided, and who can cause that.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seeded, zipf } from '../../helpers/random.js';
import type { Connect, Connected } from './internet/clients.js';
import { World, type WorldOptions } from './internet/world.js';

const ONE: Connect = { src: '192.168.1.10', dst: '203.0.113.1' };

/** Connects of twenty clients to many destinations, some more popular than others. */
function many(seed = 1, destinations = 200): (n: number) => Connect {
  const random = seeded(1000 + seed);
  const draw = zipf(destinations, random);
  return () => ({ src: `192.168.1.${10 + Math.floor(20 * random())}`, dst: `198.18.${draw()}.1` });
}

const KINDS: readonly ((seed: number) => (n: number) => Connect)[] = [
  many,
  () => () => ONE,
  (seed) => {
    const connect = many(seed);
    return (n) => ({ ...connect(n), src: ONE.src });
  },
];

const failed = (all: readonly Connected[]) => all.filter(({ ms }) => ms === undefined).length;
const msOf = (all: readonly Connected[]) => all.flatMap(({ ms }) => ms ?? []);

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!;
}

/** When `wan2` begins to swallow everything, in seconds. */
const DEATH = 20;
const SYNS = { doubling: [0, 1000, 3000, 7000], linear: [0, 1000, 2000, 3000, 4000] } as const;

/** A black hole among three WANs, for a minute where connects are few. */
async function hole(perSecond: number, seed: number) {
  const world = new World({ seed, reaches: (wan, _dst, seconds) => wan !== 'wan2' || seconds < DEATH });
  const connect = KINDS[seed % KINDS.length]!(seed);
  const synsMs = seed % 2 === 0 ? SYNS.doubling : SYNS.linear;
  const lastsS = perSecond < 10 ? 60 : 20;
  const all = world.load({ connect, perSecond, until: DEATH + lastsS, synsMs });
  await world.pass(DEATH);
  assert.equal(world.router.suspected.length, 0, 'before the death');
  await world.pass(lastsS + 5);
  const { suspected } = world.router;
  assert.deepEqual([...new Set(suspected.map(({ wan }) => wan))], ['wan2'], `seed ${seed}`);
  return { all, avoidedAfter: suspected[0]!.at / 1000 - DEATH };
}

describe('a black hole, without a check', () => {
  // Connects a second, runs, and the limit of the median time until the WAN is avoided, in seconds.
  for (const [perSecond, runs, medianS] of [
    [1, 18, 4],
    [2, 6, 3.5],
    [5, 6, 3],
    [10, 3, 2],
    [20, 3, 1.5],
    [50, 3, 1.2],
  ] as const) {
    it(`among three WANs costs no connect at ${perSecond}/s, and is avoided within ${medianS} s`, async () => {
      const found: Awaited<ReturnType<typeof hole>>[] = [];
      for (let seed = 1; seed <= runs; seed++) found.push(await hole(perSecond, seed));
      const all = found.flatMap((one) => one.all);
      assert.equal(failed(all), 0, `of ${all.length}`);
      assert.ok(quantile(msOf(all), 0.99) <= 1300);
      assert.ok(quantile(msOf(all), 1) <= 2500, `slowest ${quantile(msOf(all), 1)}`);
      const after = quantile(
        found.map(({ avoidedAfter }) => avoidedAfter),
        0.5,
      );
      assert.ok(after <= medianS, `median ${after} s`);
    });
  }

  it('among three WANs costs no connect of a closed loop of 24', async () => {
    const world = new World({ reaches: (wan, _dst, seconds) => wan !== 'wan2' || seconds < 1 });
    const all = world.closedLoop(24, { connect: () => ONE, until: 20, timeoutMs: 8000 });
    await world.pass(30);
    assert.equal(failed(all), 0);
    assert.ok(quantile(msOf(all), 1) <= 1300, `slowest ${quantile(msOf(all), 1)}`);
    assert.ok(all.length > 1000);
  });

  it('costs no connect where it is the primary WAN before a reserve, nor where two of three are black holes', async () => {
    for (const [tiers, dead] of [
      [[1, 2], ['wan1']],
      [
        [1, 1, 1],
        ['wan1', 'wan2'],
      ],
    ] as [number[], string[]][]) {
      const reaches = (wan: string, _dst: string, seconds: number) => seconds < DEATH || !dead.includes(wan);
      const world = new World({ tiers, reaches });
      const all = world.load({ connect: many(), perSecond: 10, until: 60 });
      await world.pass(65);
      assert.equal(failed(all), 0);
      assert.deepEqual(world.router.deaths.map(({ wan }) => wan).sort(), dead);
    }
  });
});

describe('a WAN that was suspected or dead', () => {
  it('takes connections again as soon as it answers a probe, and none while it does not', async () => {
    const isDown = (seconds: number) => seconds > DEATH && seconds < DEATH + 2.5;
    const world = new World({ reaches: (wan, _dst, seconds) => wan !== 'wan2' || !isDown(seconds) });
    world.load({ connect: many(), perSecond: 20, until: 40 });
    await world.pass(40);
    const { suspected, deaths } = world.router;
    assert.deepEqual(
      suspected.map((one) => [one.wan, one.suspected]),
      [
        ['wan2', true],
        ['wan2', false],
      ],
    );
    assert.match(suspected[1]!.reason, /^198\.18\.\d+\.1:443 answered$/);
    assert.ok(suspected[1]!.at < 1000 * (DEATH + 3.2), `over at ${suspected[1]!.at}`);
    assert.deepEqual(deaths, []);
  });

  it('is up again after --up-after when it was dead, and no client has to try it', async () => {
    const isDown = (seconds: number) => seconds > DEATH && seconds < DEATH + 100;
    const raw = { 'up-after': '10', 'slow-start': '0' };
    const world = new World({ raw, reaches: (wan, _dst, seconds) => wan !== 'wan2' || !isDown(seconds) });
    const all = world.load({ connect: many(), perSecond: 10, until: DEATH + 150 });
    await world.pass(DEATH + 99);
    assert.equal(world.router.isAvoided('wan2'), true);
    await world.pass(40);
    assert.equal(world.router.isAvoided('wan2'), false);
    await world.pass(15);
    const between = (from: number, to: number) =>
      all.filter(({ at, wan }) => wan === 'wan2' && at > 1000 * (DEATH + from) && at < 1000 * (DEATH + to));
    assert.equal(between(4, 100).length, 0);
    assert.ok(between(130, 150).length > 20, 'it is used');
    assert.equal(world.router.deaths.length, 1);
    assert.match(
      world.router.deaths[0]!.reason,
      /^\d+ connections? unanswered that other WANs answered; asked .*: 0 of \d+ answered, by other WANs \d+ of \d+$/,
    );
    assert.equal(failed(all), 0);
  });
});

/** Runs a world with held connections, in which every WAN works well enough. */
async function works(name: string, seconds: number, options: WorldOptions, prepare: (world: World) => void) {
  const world = new World(options);
  world.hold(10, '203.0.113.9');
  prepare(world);
  await world.pass(seconds);
  assert.deepEqual(world.router.deaths, [], `${name}: nothing is dead`);
  assert.equal(world.cut, 0, `${name}: nothing is cut`);
  return world;
}

describe('a WAN that works badly', () => {
  /** Round trips of `wan1` that rise from 60 ms to `ms` within `rampS`, for 20 s of each minute. */
  const fills = (rampS: number, ms: number) => (wan: string, seconds: number) =>
    wan === 'wan1' ? 60 + (ms - 60) * Math.min(1, Math.max(0, ((seconds % 60) - 40) / rampS)) : 60;
  const loses = (wan: string, seconds: number) => (wan === 'wan1' && seconds % 60 > 30 ? 0.3 : 0.005);
  const ofWan1 = (ms: number, from: number) => (wan: string, seconds: number) =>
    wan === 'wan1' && seconds >= from ? ms : 60;

  for (const [name, perSecond, destinations, options] of [
    ['loses 30 % each way for half of each minute', 30, 200, { loss: loses }],
    ['loses as much while connects are few', 2, 200, { loss: loses }],
    ['loses as much while all connects have one destination', 100, 1, { loss: loses }],
    ['takes 1.5 s from one moment on', 30, 200, { rttMs: ofWan1(1500, 30) }],
    ['takes as long with many connects', 100, 200, { rttMs: ofWan1(1500, 30) }],
    ['takes as long with few connects', 2, 200, { rttMs: ofWan1(1500, 30) }],
    ['is a satellite', 30, 200, { rttMs: ofWan1(650, 0) }],
    ['has a buffer that fills to 1.5 s', 30, 200, { rttMs: fills(2, 1500) }],
    ['has a buffer that fills to 1 s at once', 30, 200, { rttMs: fills(0.1, 1000) }],
    ['has a buffer that fills to 2.5 s', 30, 200, { rttMs: fills(2, 2500) }],
  ] as [string, number, number, WorldOptions][]) {
    it(`and ${name} is never dead, and avoided for less than a tenth of the time`, async () => {
      const seconds = perSecond > 30 ? 45 : 90;
      const world = await works(name, seconds, options, (one) =>
        one.load({ connect: many(1, destinations), perSecond, until: seconds }),
      );
      assert.ok(world.avoided('wan1', seconds) < 0.1, `${world.avoided('wan1', seconds)}`);
      for (const other of ['wan2', 'wan3']) assert.equal(world.avoided(other, seconds), 0);
    });
  }

  it('costs no connection when all WANs have a round trip of 1.2 s; only the first few take 2 s', async () => {
    for (const [perSecond, learnt] of [
      [1, 20],
      [10, 4],
      [50, 3],
    ] as const) {
      for (const synsMs of [SYNS.doubling, SYNS.linear]) {
        const world = new World({ rttMs: () => 1200 });
        const all = world.load({ connect: () => ONE, perSecond, until: 40, synsMs });
        await world.pass(45);
        assert.equal(failed(all), 0);
        const late = all.filter(({ ms }) => ms! > 1500);
        assert.ok(
          late.every(({ at, ms }) => at < 1000 * learnt && ms! < 2500),
          `at ${perSecond}/s`,
        );
        assert.deepEqual(world.router.suspected, []);
      }
    }
  });
});

describe('destinations that do not answer', () => {
  const third = (dst: string) => Number(dst.split('.')[2]);
  for (const [name, perSecond, reaches] of [
    ['a fifth of them', 30, (_wan, dst) => third(dst) % 5 !== 3],
    ['a fifth of them, with few connects', 3, (_wan, dst) => third(dst) % 5 !== 3],
    ['the most popular one, from one moment on', 100, (_wan, dst, s) => third(dst) !== 0 || s < 30],
    ['all of them, from one moment on', 30, (_wan, _dst, seconds) => seconds < 40],
    ['all of them, with few connects', 3, (_wan, _dst, seconds) => seconds < 40],
  ] as [string, number, NonNullable<WorldOptions['reaches']>][]) {
    it(`make no WAN suspected: ${name}`, async () => {
      const world = await works(name, 80, { reaches }, (one) =>
        one.load({ connect: many(), perSecond, until: 80 }),
      );
      assert.deepEqual(world.router.suspected, []);
    });
  }
});

describe('a client that means harm', () => {
  const ATTACKER = '192.168.1.66';
  const isDead = (dst: string) => dst.startsWith('198.19.');
  /** One address in each of many networks where nobody is. */
  const dead = (n: number): Connect => ({ src: ATTACKER, dst: `198.19.${n % 256}.7` });
  /** The attacker's own server, which drops what comes from the address of one WAN. */
  const own = (n: number): Connect => ({ src: ATTACKER, dst: '203.0.113.66', dport: 9100 + (n % 100) });
  const reaches = (wan: string, dst: string) => !isDead(dst) && !(dst === '203.0.113.66' && wan === 'wan1');
  const alternating = (n: number) => (n % 2 === 0 ? dead(n) : { src: ATTACKER, dst: ONE.dst });

  for (const [name, connect, perSecond, tiers, bystander, waitsMs] of [
    ['dead networks at 60/s, a primary and a reserve', dead, 60, [1, 2], 0.5, 150],
    ['dead networks at 1000/s, a primary and a reserve', dead, 1000, [1, 2], 5, 150],
    ['dead networks at 1000/s, three WANs', dead, 1000, [1, 1, 1], 20, 5000],
    ['a server of its own at 15/s', own, 15, [1, 1], 1, 150],
    ['a server of its own at 60/s, with connects that are held', own, 60, [1, 1], 0.5, 5000],
    ['a server of its own at 400/s', own, 400, [1, 1], 5, 5000],
    ['a server of its own at 1500/s, three WANs', own, 1500, [1, 1, 1], 30, 150],
    ['dead and living ones in turn at 1000/s', alternating, 1000, [1, 1], 0.5, 150],
    ['dead and living ones in turn, with connects that are held', alternating, 300, [1, 1], 0.5, 5000],
  ] as [string, (n: number) => Connect, number, number[], number, number][]) {
    it(`takes no WAN away from others: ${name}`, async () => {
      let others: readonly Connected[] = [];
      const seconds = perSecond < 300 ? 20 : 4;
      const world = await works(name, seconds + 5, { tiers, reaches }, (one) => {
        one.load({ connect, perSecond, until: seconds, timeoutMs: waitsMs });
        // They come from the same address as the attack, as behind a router of the client's own, and go next to its server.
        others = one.load({
          connect: () => ({ src: ATTACKER, dst: '203.0.113.1' }),
          perSecond: bystander,
          until: seconds,
        });
      });
      for (const wan of ['wan1', 'wan2', 'wan3']) assert.ok(world.avoided(wan, seconds) < 0.05, wan);
      assert.equal(failed(others), 0);
    });
  }

  it('takes no WAN away with eight addresses, and servers in six networks that worked until then', async () => {
    const turns = (wan: string, dst: string, s: number) => !isDead(dst) || wan !== 'wan1' || s < 5;
    const connect = (n: number) => ({ src: `192.168.1.${60 + (n % 8)}`, dst: `198.19.${n % 6}.7` });
    const world = await works('many addresses', 25, { tiers: [1, 1], reaches: turns }, (one) => {
      one.load({ connect, perSecond: 100, until: 20 });
      one.load({ connect: () => ONE, perSecond: 1, until: 20 });
    });
    for (const wan of ['wan1', 'wan2']) assert.ok(world.avoided(wan, 20) < 0.05, wan);
  });

  it('does not keep a dead WAN from being found, with 1000/s of its own', async () => {
    for (const connect of [dead, (n: number) => ({ src: ATTACKER, dst: `203.0.113.${n % 200}` })]) {
      const untilDeath = (wan: string, dst: string, s: number) => !isDead(dst) && (wan !== 'wan2' || s < 2);
      const world = new World({ reaches: untilDeath });
      world.load({ connect, perSecond: 1000, until: 6, timeoutMs: 500 });
      const others = world.load({ connect: many(), perSecond: 20, until: 6 });
      await world.pass(11);
      assert.deepEqual(
        world.router.deaths.map(({ wan }) => wan),
        ['wan2'],
      );
      assert.equal(failed(others), 0);
      assert.ok(quantile(msOf(others), 1) <= 1300);
    }
  });

  it('only delays its own connects by a second: a server that bans one address, polled 20/s', async () => {
    for (const raw of [{}, { check: 'all=ping,to=1.1.1.1' }]) {
      const world = new World({ raw, tiers: [1, 1], reaches });
      const polls = world.load({ connect: () => own(0), perSecond: 20, until: 60 });
      const others = world.load({ connect: many(), perSecond: 2, until: 60 });
      await world.pass(65);
      assert.deepEqual([world.router.suspected, world.router.deaths], [[], []]);
      assert.deepEqual([failed(polls), failed(others)], [0, 0]);
      assert.ok(quantile(msOf(polls), 1) <= 1300);
    }
  });
});
