import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { parseCheck } from '#wanmark/config/check.js';
import type { Check, CheckPath, CheckResult } from '#wanmark/wan/check/check.js';
import { Health, type HealthChange } from '#wanmark/wan/health.js';
import { Monitor } from '#wanmark/wan/monitor.js';
import { FakeClock } from './fake-clock.js';
import { onTurn } from './turns.js';

const GOOD: CheckResult = { ok: true, rttMs: 5, why: '5 ms' };
const path = (wan: string, family: 4 | 6): CheckPath => ({ wan, family, mark: 1, device: wan });

function monitor(
  texts: readonly string[],
  check: Check,
  options: Partial<ConstructorParameters<typeof Monitor>[0]> = {},
) {
  const clock = new FakeClock();
  const changes: HealthChange[] = [];
  const health = new Health({ onState: onTurn((change) => changes.push(change)) });
  const it = new Monitor({
    wans: ['a', 'b', 'c'],
    checks: texts.map(parseCheck),
    health,
    path,
    clock,
    random: () => 0.5,
    make: () => check,
    ...options,
  });
  return { monitor: it, clock, health, changes };
}

describe('the monitor', () => {
  it('probes every target of every WAN and family, in its interval and not all at once', async () => {
    const probes: { at: number; wan: string; family: number; target: string }[] = [];
    const { monitor: it, clock } = monitor(
      ['all=ping,to=192.0.2.1+192.0.2.2+2001:db8::1', 'b=dns,to=192.0.2.3'],
      async (target, { wan, family }) => {
        probes.push({ at: clock.now(), wan, family, target });
        return GOOD;
      },
    );
    await clock.pass(9_900);
    const starts = new Set(probes.filter(({ at }) => at < 1900).map(({ at }) => at));
    assert.equal(starts.size, 7);
    for (const wan of ['a', 'b', 'c']) {
      const mine = probes.filter((probe) => probe.wan === wan && probe.target === '2001:db8::1');
      assert.equal(mine.length, 5, wan);
      assert.ok(mine.every(({ family }) => family === 6));
    }
    assert.equal(probes.filter(({ target }) => target === '192.0.2.3').length, 5);
    await it.stop();
    assert.equal(clock.pending, 0);
    const { length } = probes;
    await clock.pass(10_000);
    assert.equal(probes.length, length);
  });

  it('spreads several probes of a round over its time limit, and ends those under way when it stops', async () => {
    const at: number[] = [];
    const {
      monitor: it,
      clock,
      health,
    } = monitor(['a=ping,to=192.0.2.1,count=3,timeout=1.5,interval=2,fail-interval=10'], async () => {
      at.push(clock.now());
      return at.length % 3 === 0 ? GOOD : { ok: false, why: 'timeout' };
    });
    assert.deepEqual([it.latest('a'), it.awaited('a').length], [[], 1], 'its first round is under way');
    await clock.pass(3_900);
    assert.deepEqual(it.awaited('a'), []);
    assert.deepEqual(at, [0, 500, 1000, 2000, 2500, 3000]);
    assert.match(health.state('a', 4).reason, /1 of 1 rounds passed/);
    assert.deepEqual(it.latest('a')[0]?.loss, 400 / 6);
    await clock.pass(200);
    await it.stop();
    assert.equal(clock.pending, 0);
  });

  it('tells of no round that found nothing out as of one that passed', async () => {
    let result = GOOD;
    const passed: number[] = [];
    const options = { onPassed: (_wan: string, _family: number, began: number) => void passed.push(began) };
    const { monitor: it, clock } = monitor(['a=ping,to=192.0.2.1'], async () => result, options);
    await clock.pass(4_000);
    const before = passed.length;
    assert.ok(before > 0);
    result = { ok: false, why: 'send: EPERM', inconclusive: true };
    await clock.pass(10_000);
    assert.equal(passed.length, before);
    await it.stop();
  });

  it('keeps a WAN that starts down so until all of its checks have passed', async () => {
    let works = false;
    const {
      monitor: it,
      clock,
      health,
      changes,
    } = monitor(
      ['a=ping,to=192.0.2.1,rise=5', 'all=ping,to=192.0.2.2'],
      async (target) => (works || target === '192.0.2.2' ? GOOD : { ok: false, why: 'timeout' }),
      { startsDown: (wan) => wan === 'a' },
    );
    assert.equal(health.state('a', 4).up, false);
    assert.equal(health.state('b', 4).up, true);
    await clock.pass(1_500);
    assert.equal(health.state('a', 4).reason, 'has not passed its first check');
    assert.ok(changes.every(({ up }) => !up));
    changes.length = 0;
    works = true;
    await clock.pass(2_000);
    assert.deepEqual(
      changes.map(({ wan, up }) => [wan, up]),
      [['a', true]],
    );
    await it.stop();
  });

  it('goes over to other checks without disturbing those that stay', async () => {
    const rounds: string[] = [];
    let works = true;
    const {
      monitor: it,
      clock,
      health,
    } = monitor(
      ['all=ping,to=192.0.2.1,interval=10', 'a=tcp,to=192.0.2.2:1,interval=10'],
      async (target, path) => {
        rounds.push(`${path.wan} ${target}`);
        return works || path.wan !== 'a' ? GOOD : { ok: false, why: 'timeout' };
      },
    );
    await clock.pass(1_500);
    rounds.length = 0;
    const checks = ['all=ping,to=192.0.2.1,interval=10', 'a=tcp,to=192.0.2.3:1,interval=1'].map(parseCheck);
    it.watch({ wans: ['a', 'c', 'd'], checks });
    await clock.pass(1_500);
    assert.deepEqual(
      [...new Set(rounds)].sort(),
      ['a 192.0.2.3:1', 'd 192.0.2.1'],
      'only what is new begins at once',
    );
    works = false;
    await clock.pass(30_000);
    assert.equal(health.state('a', 4).up, false);
    // What took its place goes on from there; without any check nothing speaks against the WAN any more.
    works = true;
    it.watch({ wans: ['a'], checks: ['a=dns,to=192.0.2.4,rise=3'].map(parseCheck) });
    assert.equal(health.state('a', 4).up, false);
    await clock.pass(2_500);
    assert.equal(health.state('a', 4).up, false);
    await clock.pass(5_000);
    assert.equal(health.state('a', 4).up, true);
    await it.stop();
    assert.equal(clock.pending, 0);
  });

  it('tells of rounds that find nothing out, as where no descriptor is left, and of nothing else', async () => {
    const unknown: string[] = [];
    const {
      monitor: it,
      clock,
      changes,
    } = monitor(
      ['all=ping,to=192.0.2.1'],
      async (_, { wan }) => (wan === 'b' ? { ok: false, why: 'socket: EMFILE', inconclusive: true } : GOOD),
      { onUnknown: (wan, { unknown: why }) => unknown.push(`${wan} ${why}`) },
    );
    await clock.pass(9_900);
    assert.deepEqual(
      unknown,
      Array.from({ length: 5 }, () => 'b socket: EMFILE'),
    );
    assert.deepEqual(changes, []);
    await it.stop();
  });

  it('tells of a WAN that goes down and comes back, IPv6 apart, and after a hold by itself', async () => {
    let broken = false;
    const {
      monitor: it,
      clock,
      health,
      changes,
    } = monitor(['b=ping,to=192.0.2.1+2001:db8::1,fall=3,rise=2'], async (_, { family }) =>
      broken && family === 4 ? { ok: false, why: 'timeout' } : GOOD,
    );
    await clock.pass(10_000);
    assert.equal(changes.length, 0);
    for (let i = 0; i < 2; i++) {
      broken = true;
      await clock.pass(8_000);
      assert.equal(health.state('b', 4).up, false);
      broken = false;
      await clock.pass(4_000 + i * 20_000);
    }
    assert.deepEqual(
      changes.map(({ wan, family, up }) => [wan, family, up]),
      [
        ['b', 4, false],
        ['b', 4, true],
        ['b', 4, false],
        ['b', 4, true],
      ],
    );
    assert.equal(changes[0]!.reason, 'ping 192.0.2.1: 3 of 3 rounds failed (timeout)');
    // After the second outage the WAN is held down for ten seconds, though the checks passed long before.
    assert.equal(changes[3]!.since - changes[2]!.since, 10_000);
    assert.equal(health.state('a', 4).up, true);
    await it.stop();
    assert.equal(clock.pending, 0);
  });

  it('drops the rounds that a brief outage of the device may have failed, and counts those of a lasting one', async () => {
    let away = false;
    const link = (up: boolean, now: number) => {
      away = !up;
      health.report('a', 4, 'link', { up, reason: up ? 'back' : 'no carrier' }, now);
      it.awaitHolds();
    };
    const {
      monitor: it,
      clock,
      health,
      changes,
    } = monitor(['a=ping,to=192.0.2.1,interval=1,fall=1'], async () => {
      const lost = away;
      await new Promise<void>((resolve) => clock.after(300, resolve));
      return lost || away ? { ok: false, why: 'timeout' } : GOOD;
    });
    // Rounds begin at whole seconds and last 0.3 s, so one is under way.
    await clock.pass(5_100);
    link(false, clock.now());
    await clock.pass(100);
    link(true, clock.now());
    await clock.pass(2_000);
    assert.deepEqual(
      changes.map(({ up, reason }) => [up, reason]),
      [
        [false, 'no carrier'],
        [true, 'back'],
      ],
    );
    link(false, clock.now());
    await clock.pass(4_500);
    assert.equal(health.state('a', 4).brief, undefined);
    link(true, clock.now());
    assert.match(health.state('a', 4).reason, /^ping .* failed/);
    await it.stop();
    assert.equal(clock.pending, 0);
  });

  it('asks for news before a wait ends', async () => {
    const {
      monitor: it,
      clock,
      health,
    } = monitor([], async () => GOOD, {
      beforeDue: () => health.report('a', 4, 'link', { up: true, reason: 'back' }, clock.now()),
    });
    health.report('a', 4, 'link', { up: false, reason: 'no carrier' }, clock.now());
    it.awaitHolds();
    await clock.pass(2_000);
    assert.deepEqual([health.state('a', 4).up, health.state('a', 4).brief], [true, true]);
    health.report('a', 4, 'link', { up: false, reason: 'no carrier' }, clock.now());
    it.awaitHolds();
    await it.stop();
    assert.equal(clock.pending, 0, 'an outage that is still brief ends with the daemon');
  });

  it('a slow round never overlaps itself, delays no other and is not made up for', async () => {
    let running = 0;
    let most = 0;
    const rounds = { a: 0, b: 0 } as Record<string, number>;
    const { monitor: it, clock } = monitor(['a=ping,to=192.0.2.1', 'b=ping,to=192.0.2.1'], (_, { wan }) => {
      rounds[wan]!++;
      if (wan === 'b') return Promise.resolve(GOOD);
      most = Math.max(most, ++running);
      return new Promise((resolve) =>
        clock.after(5000, () => {
          running--;
          resolve(GOOD);
        }),
      );
    });
    await clock.pass(20_900);
    assert.deepEqual([most, rounds.a, rounds.b], [1, 5, 11]);
    // The fake check ignores the signal, so its round has to end before the stop does.
    const stopped = it.stop();
    await clock.pass(5_000);
    await stopped;
  });

  it('a WAN without a way is left out, and a check that throws says nothing', async () => {
    const {
      monitor: it,
      clock,
      health,
    } = monitor(
      ['all=ping,to=192.0.2.1,fall=1'],
      async (_, { wan }) => {
        if (wan === 'b') throw new Error('broken');
        return { ok: false, why: 'timeout' };
      },
      { path: (wan, family) => (wan === 'a' ? undefined : path(wan, family)) },
    );
    await clock.pass(10_000);
    assert.deepEqual(
      ['a', 'b', 'c'].map((wan) => health.state(wan, 4).up),
      [true, true, false],
    );
    await it.stop();
  });

  it('stop cancels what is under way and tells nothing of it', async () => {
    const signals: AbortSignal[] = [];
    const {
      monitor: it,
      clock,
      changes,
    } = monitor(['all=ping,to=192.0.2.1,fall=1'], (_target, _path, _ms, signal) => {
      signals.push(signal);
      return new Promise((resolve) => {
        const abort = () => resolve({ ok: false, why: 'cancelled' });
        signal.addEventListener('abort', abort, { once: true });
      });
    });
    await clock.pass(3_000);
    assert.equal(signals.length, 3);
    await it.stop();
    await it.stop();
    assert.ok(signals.every(({ aborted }) => aborted));
    assert.equal(signals.flatMap((signal) => getEventListeners(signal, 'abort')).length, 0);
    assert.deepEqual([changes, clock.pending], [[], 0]);
  });
});
