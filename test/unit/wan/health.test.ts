import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCheck } from '#wanmark/config/check.js';
import type { CheckResult } from '#wanmark/wan/check/check.js';
import { CheckHealth, type Verdict } from '#wanmark/wan/check-health.js';
import { Health, type HealthChange } from '#wanmark/wan/health.js';
import { HoldDown } from '#wanmark/wan/hold-down.js';
import { ProbeWindow } from '#wanmark/wan/window.js';
import { onTurn } from './turns.js';

const good = (rttMs = 12): CheckResult => ({ ok: true, rttMs, why: `${rttMs} ms` });
const lost: CheckResult = { ok: false, why: 'timeout' };
const refused: CheckResult = { ok: false, why: 'refused' };
const silent: CheckResult = { ok: false, why: 'EMFILE', inconclusive: true };

function check(more = '') {
  return new CheckHealth(parseCheck(`a=ping,to=1.1.1.1+9.9.9.9${more}`), 4);
}

/** Feeds a round every two seconds and returns the verdict after each: + up, - down, ? none. */
function feed(health: CheckHealth, rounds: readonly (readonly CheckResult[])[], from = 0): string {
  return rounds
    .map((results, i) => health.round(results, (from + i) * 2000))
    .map((verdict) => (verdict === undefined ? '?' : verdict.up ? '+' : '-'))
    .join('');
}

const times = <T>(count: number, one: T): T[] => Array<T>(count).fill(one);

describe('rounds of a check', () => {
  it('are believed at once when the first passes, and after two when none ever did', () => {
    assert.equal(feed(check(), [[good(), lost]]), '+');
    assert.equal(feed(check(), times(3, [lost, lost])), '?--');
    assert.equal(feed(check(',fall=1'), times(2, [lost, lost])), '--');
  });

  it('take it down after fall in a row, up after rise in a row', () => {
    const health = check();
    const rounds = [
      [good(), good()],
      ...times(2, [lost, lost]),
      [lost, good()],
      ...times(3, [lost, refused]),
    ];
    assert.equal(feed(health, rounds), '++++++-');
    assert.equal(health.verdict?.reason, 'ping 1.1.1.1, 9.9.9.9: 3 of 3 rounds failed (timeout; refused)');
    const back = [...times(4, [good(), lost]), [lost, lost], ...times(5, [good(9.5), lost])];
    assert.equal(feed(health, back, 10), '---------+');
    assert.equal(health.verdict?.reason, 'ping 1.1.1.1, 9.9.9.9: 5 of 5 rounds passed (9.5 ms)');
  });

  it('need the quorum, and name what was short of it', () => {
    const health = check(',quorum=2,fall=1');
    assert.equal(
      feed(health, [
        [good(), good()],
        [good(), lost],
      ]),
      '+-',
    );
    assert.equal(
      health.verdict?.reason,
      'ping 1.1.1.1, 9.9.9.9: 1 of 1 rounds failed (timeout; 1 of 2 answered, 2 needed)',
    );
  });

  it('that say nothing change nothing, and break no row', () => {
    const health = check();
    const rounds = [
      [silent, silent],
      [good(), lost],
      [lost, lost],
      [silent, lost],
      [lost, lost],
      [lost, lost],
    ];
    assert.equal(feed(health, rounds), '?++++-');
    assert.equal(
      feed(check(',quorum=2,fall=1'), [
        [good(), good()],
        [good(), silent],
        [lost, silent],
      ]),
      '++-',
    );
  });
});

describe('loss and latency', () => {
  it('have a hysteresis, each target for itself', () => {
    const health = check(',loss=20:10');
    // The first target loses one in four, the second all; the second alone would not be loss of the line.
    const some = (count: number) =>
      Array.from({ length: count }, (_, i) => [i % 4 === 0 ? lost : good(), lost]);
    assert.match(feed(health, [[good(), good()], ...some(40)]), /^\+{9,}-+$/);
    assert.match(
      health.verdict!.reason,
      /^ping 1\.1\.1\.1 loss \d+ % \(limit 20 %\) over \d+ probes; 9\.9\.9\.9 loss/,
    );
    // 15 % is neither bad enough to go down nor good enough to come up.
    const few = (count: number) =>
      Array.from({ length: count }, (_, i) => [i % 7 === 0 ? lost : good(), lost]);
    assert.match(feed(health, few(60), 41), /^-+$/);
    assert.match(feed(health, times(40, [good(), lost]), 101), /^-+\++$/);
    assert.match(health.verdict!.reason, /^ping 1\.1\.1\.1 loss \d+ % \(limit 10 %\)/);
    assert.match(feed(health, few(60), 141), /^\++$/);
  });

  it('one dead target of two is not a loss of the line', () => {
    assert.match(feed(check(',loss=20:10'), times(100, [good(), lost])), /^\++$/);
  });

  it('after an outage the probes lost in it do not count', () => {
    const health = check(',loss=20:10');
    feed(health, [...times(30, [good(), good()]), ...times(30, [lost, lost])]);
    assert.equal(health.verdict?.up, false);
    assert.match(feed(health, times(40, [good(), good()]), 60), /^-{4}\+{36}$/);
  });

  it('latency is the median: occasional slow answers do not count', () => {
    const health = check(',latency=300:150');
    const mixed = (count: number) =>
      Array.from({ length: count }, (_, i) => [good(i % 3 === 0 ? 900 : 20), lost]);
    assert.match(feed(health, mixed(60)), /^\++$/);
    assert.match(feed(health, times(40, [good(400), lost]), 60), /^\++-+$/);
    assert.match(
      health.verdict!.reason,
      /^ping 1\.1\.1\.1 latency 400 ms \(limit 300 ms\) over \d+ probes; 9\.9\.9\.9 latency without answer/,
    );
    assert.match(feed(health, times(60, [good(200), lost]), 100), /^-+$/);
    assert.match(feed(health, times(60, [good(20), lost]), 160), /^-+\++$/);
  });

  it('a window forgets what is old', () => {
    const window = new ProbeWindow(10_000);
    for (let i = 0; i < 10; i++) window.add(i >= 5, i, i * 1000);
    assert.equal(window.size, 10);
    assert.equal(window.loss, 50);
    assert.equal(window.latency, 7);
    window.add(true, 8, 14_500);
    assert.equal(window.size, 6);
    assert.equal(window.loss, 0);
    window.clear();
    assert.deepEqual([window.size, window.loss, window.latency], [0, 0, undefined]);
  });
});

describe('the hold-down', () => {
  it('doubles up to five minutes', () => {
    const hold = new HoldDown();
    const holds = Array.from({ length: 9 }, () => hold.wentDown(1000) / 1000);
    assert.deepEqual(holds, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
  });

  it('goes back a step for each five minutes up', () => {
    const hold = new HoldDown();
    for (let i = 0; i < 4; i++) hold.wentDown(0);
    assert.equal(hold.wentDown(10 * 60_000), 20_000);
    assert.equal(hold.wentDown(60 * 60_000), 0);
    assert.equal(hold.wentDown(0), 10_000);
  });
});

describe('the hold-down of brief outages', () => {
  const MINUTE = 60_000;

  it('forgives three in a minute of being up, and counts them with one more', () => {
    const hold = new HoldDown();
    for (let i = 0; i < 3; i++) {
      assert.equal(hold.forgives(1000), true);
      hold.forgave();
    }
    assert.equal(hold.forgives(1000), false);
    assert.equal(hold.wentDown(1000), 40_000);
    assert.equal(hold.forgives(1000), false, 'the hold of 40 s was no time of being up');
    assert.equal(hold.wentDown(1000), 80_000);
    assert.equal(hold.forgives(MINUTE), true);
  });

  it('does not count those that are a minute apart, nor with an outage that lasts', () => {
    const hold = new HoldDown();
    for (let i = 0; i < 9; i++) {
      assert.equal(hold.forgives(MINUTE / 3), true);
      hold.forgave();
    }
    hold.forgives(MINUTE / 3);
    assert.equal(hold.wentDown(MINUTE / 3), 0);
  });
});

describe('the health of a WAN', () => {
  function make() {
    const changes: HealthChange[] = [];
    return { health: new Health({ onState: onTurn((change) => changes.push(change)) }), changes };
  }
  const up = { up: true, reason: 'good' };
  const down = (reason: string) => ({ up: false, reason });

  it('is up until somebody says that it is down, and then says why, since when', () => {
    const { health, changes } = make();
    assert.deepEqual(health.state('a', 4), {
      up: true,
      since: 0,
      reason: 'not checked',
      heldUntil: undefined,
    });
    health.report('a', 4, 'check 1', up, 10);
    assert.deepEqual(health.state('a', 4), { up: true, since: 10, reason: 'good', heldUntil: undefined });
    health.report('a', 4, 'link', down('no carrier'), 20);
    health.report('a', 4, 'check 1', down('ping'), 30);
    // The device's reason comes first, since it is why the check fails, too.
    const downSince20 = { up: false, since: 20, heldUntil: undefined };
    assert.deepEqual(health.state('a', 4), { ...downSince20, reason: 'no carrier' });
    health.report('a', 4, 'link', undefined, 40);
    assert.deepEqual(health.state('a', 4), { ...downSince20, reason: 'ping' });
    health.report('a', 4, 'check 1', up, 50);
    assert.deepEqual(
      changes.map(({ wan, family, up, since, reason }) => [wan, family, up, since, reason]),
      [
        ['a', 4, false, 20, 'no carrier'],
        ['a', 4, true, 50, 'good'],
      ],
    );
  });

  it('is apart for IPv4 and IPv6, and for each WAN', () => {
    const { health } = make();
    health.report('a', 6, 'check 1', down('x'), 0);
    assert.deepEqual(
      [health.state('a', 4).up, health.state('a', 6).up, health.state('b', 6).up],
      [true, false, true],
    );
  });

  describe('whose device is away', () => {
    /** A WAN `a` beside one that always works, with changes as `-` and `+` and their time. */
    function watched() {
      const seen: string[] = [];
      const health = new Health({
        onState: onTurn(({ up: isUp, since }) => seen.push(`${isUp ? '+' : '-'}${since}`)),
        upAfterMs: 30_000,
        taking: () => ['a', 'other'],
      });
      const link = (isUp: boolean, now: number) =>
        health.report('a', 4, 'link', isUp ? up : down('no carrier'), now);
      return { health, seen, link, brief: () => health.state('a', 4).brief };
    }

    it('for less than two seconds is back at once', () => {
      const { health, seen, link, brief } = watched();
      link(false, 1000);
      assert.deepEqual([brief(), health.nextDue()], [true, 3000]);
      health.tick(2999);
      link(true, 2999);
      assert.deepEqual(seen, ['-1000', '+2999']);
      assert.deepEqual([brief(), health.nextDue()], [true, undefined]);
    });

    it('for two seconds counts from then on, and waits like any other', () => {
      const { health, seen, link, brief } = watched();
      health.report('a', 4, 'rules', down('no route'), 1000);
      health.tick(3000);
      assert.deepEqual([seen, brief(), health.nextDue()], [['-1000'], undefined, undefined]);
      health.report('a', 4, 'rules', undefined, 3001);
      assert.equal(health.nextDue(), 33_001);
      health.tick(33_001);
      // The second outage has a hold of ten seconds, which begins two seconds after the carrier went.
      link(false, 40_000);
      health.tick(42_000);
      link(true, 42_001);
      assert.equal(health.state('a', 4).heldUntil, 72_001);
      health.release('a', 4, 'set', 43_000);
      assert.deepEqual(seen, ['-1000', '+33001', '-40000', '+43000']);
    });

    it('counts at once when something else calls it down, before or meanwhile', () => {
      for (const source of ['check 1', 'set', 'asked']) {
        const { health, link, brief } = watched();
        link(false, 1000);
        health.report('a', 4, source, down('it says so'), 1100);
        assert.equal(brief(), undefined, source);
        link(true, 1200);
        health.report('a', 4, source, undefined, 1300);
        assert.equal(health.state('a', 4).up, false, source);
      }
      const { health, link, brief } = watched();
      health.report('a', 4, 'check 1', down('silent'), 1000);
      link(false, 1001);
      link(true, 1002);
      assert.equal(brief(), undefined);
    });

    it('comes back at once although the round before had failed', () => {
      const { health, seen, link } = watched();
      health.report('a', 4, 'check 1', { ...up, shaky: true }, 0);
      link(false, 1000);
      link(true, 1100);
      assert.deepEqual(seen, ['-1000', '+1100']);
    });

    it('excuses the probes of that time, and a second later no more; an outage that lasts excuses none', () => {
      const { health, link } = watched();
      const excused = (began: number) => health.excuses('a', 4, began);
      assert.equal(excused(0), false);
      link(false, 1000);
      assert.deepEqual([excused(900), excused(1100)], [true, true]);
      link(true, 1200);
      assert.deepEqual([excused(900), excused(1300), excused(2200)], [true, true, false]);
      link(false, 5000);
      health.tick(7000);
      assert.equal(excused(4900), false);
    });

    it('is forgiven three times in a minute, and then not for as long as it flaps', () => {
      const { health, seen, link, brief } = watched();
      for (const at of [0, 1000, 2000, 3000]) {
        link(false, at);
        assert.equal(brief(), at < 3000 ? true : undefined);
        link(true, at + 500);
      }
      assert.deepEqual(seen, ['-0', '+500', '-1000', '+1500', '-2000', '+2500', '-3000']);
      assert.equal(health.nextDue(), 43_000);
    });

    it('is judged by all of a look at once: none comes up for another that goes down only in it', () => {
      const seen: string[] = [];
      const health = new Health({
        onState: onTurn(({ wan, up: isUp }) => seen.push(`${wan}${isUp ? '+' : '-'}`)),
        upAfterMs: 30_000,
        taking: () => ['a', 'b'],
      });
      health.report('b', 4, 'link', up, 0);
      health.report('a', 4, 'check 1', down('silent'), 0);
      health.report('a', 4, 'check 1', up, 1000);
      const look = ['b', 'a'].map((wan) => ({
        wan,
        family: 4 as const,
        source: 'link',
        verdict: down('no carrier'),
      }));
      health.reportAll(look, 2000);
      assert.deepEqual(seen, ['a-', 'b-']);
    });
  });

  describe('that was down, with 30 s to prove itself', () => {
    /** @param taking the WANs that get new connections; `other` always works */
    function patient(taking: () => readonly string[] = () => ['a', 'other']) {
      const changes: HealthChange[] = [];
      return {
        health: new Health({ upAfterMs: 30_000, taking, onState: onTurn((change) => changes.push(change)) }),
        changes,
      };
    }
    const shaky: Verdict = { ...up, shaky: true };
    const ups = (changes: readonly HealthChange[]) =>
      changes.filter(({ up }) => up).map(({ since }) => since);

    it('is up when every source has called it up for so long, and not before', () => {
      const { health, changes } = patient();
      health.report('a', 4, 'link', down('no carrier'), 0);
      health.report('a', 4, 'check 1', down('ping'), 1000);
      health.report('a', 4, 'link', up, 5000);
      assert.equal(health.nextDue(), undefined);
      health.report('a', 4, 'check 1', up, 10_000);
      assert.deepEqual([health.nextDue(), health.state('a', 4).heldUntil], [40_000, 40_000]);
      health.report('a', 4, 'check 1', up, 39_999);
      health.tick(39_999);
      assert.deepEqual(ups(changes), []);
      health.tick(40_000);
      assert.deepEqual(ups(changes), [40_000]);
      assert.equal(health.nextDue(), undefined);
    });

    it('begins anew with a flap of the link, and with one failed round', () => {
      const { health, changes } = patient();
      health.report('a', 4, 'check 1', down('ping'), 0);
      health.report('a', 4, 'check 1', up, 1000);
      health.report('a', 4, 'link', down('no carrier'), 20_000);
      health.report('a', 4, 'link', up, 20_001);
      assert.equal(health.nextDue(), 50_001);
      health.report('a', 4, 'check 1', shaky, 49_000);
      assert.equal(health.nextDue(), undefined);
      health.tick(50_001);
      health.report('a', 4, 'check 1', up, 51_000);
      assert.equal(health.nextDue(), 81_000);
      health.tick(81_000);
      assert.deepEqual(ups(changes), [81_000]);
      // While the WAN is up, one failed round changes nothing.
      health.report('a', 4, 'check 1', shaky, 82_000);
      assert.equal(health.state('a', 4).up, true);
    });

    it('waits for the longer of that and the hold-down', () => {
      const { health, changes } = patient();
      let now = 0;
      for (let i = 0; i < 5; i++) {
        health.report('a', 4, 'check 1', down('ping'), now);
        health.report('a', 4, 'check 1', up, now);
        now = health.nextDue()!;
        health.tick(now);
      }
      const times = changes.map(({ since }) => since);
      const waits = times.flatMap((at, i) => (i % 2 === 1 ? [at - times[i - 1]!] : []));
      assert.deepEqual(waits, [30_000, 30_000, 30_000, 40_000, 80_000]);
    });

    it('is up at once when it never was down', () => {
      const { health } = patient();
      health.report('a', 4, 'check 1', up, 0);
      assert.equal(health.state('a', 4).up, true);
    });

    it('does not wait when there is no other, from the start or in the middle of it', () => {
      let taking = ['a'];
      const { health, changes } = patient(() => taking);
      health.report('a', 4, 'check 1', down('ping'), 0);
      health.report('a', 4, 'check 1', up, 1000);
      assert.deepEqual(ups(changes), [1000]);
      taking = ['a', 'b'];
      health.report('a', 4, 'check 1', down('ping'), 400_000);
      health.report('a', 4, 'check 1', up, 401_000);
      assert.equal(health.state('a', 4).up, false);
      health.report('b', 4, 'check 1', down('ping'), 402_000);
      assert.deepEqual(ups(changes), [1000, 402_000]);
    });

    it('waits beside another one that waits, and is up first where its own wait ends first', () => {
      const { health, changes } = patient(() => ['a', 'b', 'other']);
      for (const wan of ['a', 'b']) health.report(wan, 4, 'check 1', down('ping'), 0);
      health.report('a', 4, 'check 1', up, 1000);
      health.report('b', 4, 'check 1', up, 2000);
      assert.deepEqual(
        ['a', 'b'].map((wan) => health.state(wan, 4).heldUntil),
        [31_000, 32_000],
      );
      assert.equal(health.nextDue(), 31_000);
      for (const now of [31_000, 32_000]) health.tick(now);
      assert.deepEqual(
        changes.filter(({ up }) => up).map(({ wan, since }) => [wan, since]),
        [
          ['a', 31_000],
          ['b', 32_000],
        ],
      );
    });

    it('of two that would be held and nothing else, only the first to be good is spared the wait', () => {
      const { health } = patient(() => ['a', 'b']);
      const both = (verdict: Verdict, now: number) => {
        for (const wan of ['a', 'b']) health.report(wan, 4, 'check 1', verdict, now);
      };
      const heldUntil = () => ['a', 'b'].map((wan) => health.state(wan, 4).heldUntil);
      // A third failure in a row makes a hold-down of 20 s, which ends before the time to prove itself.
      for (const now of [0, 100_000, 200_000]) {
        both(down('ping'), now);
        both(up, now + 1000);
        assert.deepEqual(heldUntil(), [undefined, now + 31_000]);
        assert.deepEqual([health.state('a', 4).up, health.state('b', 4).up], [true, false]);
        health.tick(now + 31_000);
      }
      both(down('ping'), 300_000);
      health.report('b', 4, 'check 1', up, 301_000);
      health.report('a', 4, 'check 1', up, 302_000);
      assert.deepEqual(heldUntil(), [340_000, undefined]);
    });

    it('does not wait when it is told so, unless it is called down', () => {
      const { health, changes } = patient();
      health.release('a', 4, 'set', 0);
      health.report('a', 4, 'check 1', down('ping'), 0);
      health.release('a', 4, 'set', 1000);
      assert.equal(health.state('a', 4).up, false);
      health.report('a', 4, 'check 1', up, 2000);
      health.release('a', 4, 'set', 3000);
      health.release('a', 4, 'set', 4000);
      assert.deepEqual(ups(changes), [3000]);
    });

    it('a check tells of a failed round only while it is up, and takes it back with the next', () => {
      const health = check();
      const rounds = [good(), lost, silent, good(), lost, lost, lost].map((one) => [one, one]);
      const told = rounds.map((results, i) => health.round(results, i * 2000));
      assert.deepEqual(
        told.map((verdict) => [verdict?.up, verdict?.shaky]),
        [
          [true, undefined],
          [true, true],
          [true, true],
          [true, undefined],
          [true, true],
          [true, true],
          [false, undefined],
        ],
      );
    });
  });

  it('that is released is up at once, past its hold-down, unless somebody else calls it down', () => {
    const health = new Health();
    const down = { up: false, reason: 'by hand', wished: true };
    const broken = { up: false, reason: 'broken' };
    const isUp = () => health.state('a', 4).up;
    health.release('a', 4, 'set', 0);
    assert.equal(isUp(), true, 'never mentioned');
    for (let i = 0; i < 5; i++) {
      health.report('a', 4, 'set', down, i);
      assert.deepEqual([isUp(), health.state('a', 4).reason], [false, 'by hand']);
      health.release('a', 4, 'set', i);
      assert.equal(isUp(), true);
    }
    // Going down by hand five times does not count as flapping: the first failure has no hold-down.
    health.report('a', 4, 'check', broken, 10);
    health.report('a', 4, 'check', { up: true, reason: 'fine' }, 11);
    assert.equal(isUp(), true);
    health.report('a', 4, 'check', broken, 12);
    health.report('a', 4, 'set', down, 13);
    health.release('a', 4, 'set', 14);
    assert.deepEqual([isUp(), health.state('a', 4).reason], [false, 'broken']);
    health.report('a', 4, 'check', { up: true, reason: 'fine' }, 15);
    assert.equal(isUp(), true, 'its hold-down was ended, too');
    health.report('a', 4, 'check', broken, 16);
    health.report('a', 4, 'check', { up: true, reason: 'fine' }, 17);
    assert.equal(isUp(), false, 'held');
    health.release('a', 4, 'set', 18);
    assert.equal(isUp(), true);
  });

  it('flapping each second for a minute switches nine times at most, and comes up by itself in the end', () => {
    const { health, changes } = make();
    for (let second = 0; second < 60; second++) {
      health.tick(second * 1000);
      health.report('a', 4, 'link', second % 2 === 0 ? down('no carrier') : up, second * 1000);
    }
    // Three outages are forgiven, and count with the fourth: the hold is 40 s then, and 80 s when it goes on flapping.
    assert.ok(changes.length >= 4 && changes.length <= 9, `${changes.length} switches`);
    health.report('a', 4, 'link', up, 60_000);
    const { heldUntil, reason } = health.state('a', 4);
    assert.equal(health.nextDue(), heldUntil);
    assert.equal(reason, 'no carrier');
    assert.ok(heldUntil! > 60_000 && heldUntil! <= 360_000, `${heldUntil}`);
    health.tick(heldUntil! - 1);
    assert.equal(health.state('a', 4).up, false);
    health.tick(heldUntil!);
    assert.deepEqual(health.state('a', 4), {
      up: true,
      since: heldUntil,
      reason: 'good',
      heldUntil: undefined,
    });
    assert.equal(health.nextDue(), undefined);
  });
});
