import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Verdict } from '#wanmark/wan/check-health.js';
import { Health, type HealthChange } from '#wanmark/wan/health.js';
import { onTurn } from './turns.js';

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
