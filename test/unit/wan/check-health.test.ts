import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCheck } from '#wanmark/config/check.js';
import type { CheckResult } from '#wanmark/wan/check/check.js';
import { CheckHealth } from '#wanmark/wan/check-health.js';
import type { RoundResult } from '#wanmark/wan/probes.js';

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

  it('ask at another pace after a failure, and while a WAN recovers', () => {
    const health = check(',interval=10,fail-interval=2,recover-interval=5,fall=2,rise=2');
    const pace = (results: readonly CheckResult[]) => {
      health.round(results, 0);
      return health.intervalMs;
    };
    assert.equal(health.intervalMs, 10_000);
    const rounds = [good(), lost, silent, good(), lost, lost, lost, good(), lost, good(), good(), good()];
    const paces = rounds.map((one) => pace([one, one]) / 1000).join(' ');
    assert.equal(paces, '10 2 2 10 2 2 2 5 2 5 10 10');
  });

  it('take each of several probes into account, and one answer for an answer', () => {
    const health = check(',quorum=2,loss=40:20');
    const of = (...probes: CheckResult[]) => ({ ...probes[0]!, probes });
    const round = [of(good(), lost, lost), of(good(), good(), lost)];
    assert.equal(feed(health, times(3, round)), '+++');
    assert.equal(health.latest?.loss, 50);
    assert.equal(feed(health, [round], 3), '-', 'ten probes are enough to judge the loss');
    assert.match(health.verdict!.reason, /^ping 1\.1\.1\.1 loss 67 %/);
  });

  it('count what became of the probes to each target', () => {
    const health = check();
    const twice: RoundResult = { ...lost, probes: [lost, good(), silent] };
    feed(health, [
      [good(), twice],
      [silent, lost],
    ]);
    assert.deepEqual(health.probes, [
      { answered: 1, lost: 0 },
      { answered: 1, lost: 2 },
    ]);
  });

  it('leave a WAN that starts down as it is until one passes, which needs no more', () => {
    const health = new CheckHealth(parseCheck('a=ping,to=1.1.1.1,rise=5'), 4, true);
    assert.deepEqual(health.verdict, {
      up: false,
      reason: 'has not passed its first check',
      wished: true,
    });
    assert.equal(feed(health, [[lost], [silent], [good()], [lost]]), '--++');
    const dead = new CheckHealth(parseCheck('a=ping,to=1.1.1.1'), 4, true);
    assert.equal(feed(dead, times(2, [lost])), '--');
    assert.equal(dead.verdict?.wished, undefined);
    assert.match(dead.verdict!.reason, /2 of 2 rounds failed/);
  });

  it('that nobody asked for, such as pings, say nothing until one passed', () => {
    const health = new CheckHealth({ ...parseCheck('a=ping,to=1.1.1.1'), onceAnswered: true }, 4);
    assert.equal(feed(health, times(5, [lost])), '?????');
    assert.equal(feed(health, [[good()], ...times(3, [lost])], 5), '+++-');
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
    assert.equal(health.verdict?.reason, 'ping 1.1.1.1, 9.9.9.9: 5 of 5 rounds passed');
  });

  it('are shown as the last one went, and with the loss of a minute, whatever was concluded', () => {
    const health = check();
    feed(health, [[good(12), good(30)]]);
    assert.deepEqual(health.latest, { at: 0, answered: 2, asked: 2, rttMs: 12, loss: 0 });
    feed(health, [[lost, good(80)]], 1);
    assert.deepEqual(health.latest, { at: 2000, answered: 1, asked: 2, rttMs: 80, loss: 25 });
    assert.match(health.verdict!.reason, /1 of 1 rounds passed$/, 'the reason is that of the change');
    feed(health, [[lost, lost]], 2);
    assert.deepEqual(health.latest, { at: 4000, answered: 0, asked: 2, rttMs: undefined, loss: 50 });
    feed(health, [[good(7), silent]], 30);
    assert.deepEqual(health.latest, { at: 60_000, answered: 1, asked: 2, rttMs: 7, loss: 60 });
    feed(health, [[silent, lost]], 31);
    assert.deepEqual(Object.entries(health.latest!).at(-1), ['unknown', 'EMFILE']);
    assert.match(
      health.verdict!.reason,
      /1 of 1 rounds passed$/,
      'a fault of the machine is none of the WAN',
    );
    feed(health, times(40, [good(7), good(7)]), 40);
    assert.deepEqual(health.latest, { at: 158_000, answered: 2, asked: 2, rttMs: 7, loss: 0 });
  });

  it('show what a server said without what a terminal would obey', () => {
    const health = check(',fall=1');
    const portal: CheckResult = { ok: false, why: 'status 302 to http://p/\x9b2J\u202e' };
    feed(health, [[portal, portal]]);
    assert.match(health.verdict!.reason, /\(status 302 to http:\/\/p\/\\u009b2J\\u202e\)$/);
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

  it('shake a check that is up when they fail, until one passes', () => {
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

  it('are not those of one dead target of two', () => {
    assert.match(feed(check(',loss=20:10'), times(100, [good(), lost])), /^\++$/);
  });

  it('do not count the probes lost in an outage once it is over', () => {
    const health = check(',loss=20:10');
    feed(health, [...times(30, [good(), good()]), ...times(30, [lost, lost])]);
    assert.equal(health.verdict?.up, false);
    assert.match(feed(health, times(40, [good(), good()]), 60), /^-{4}\+{36}$/);
  });

  it('do not count occasional slow answers: latency is the median', () => {
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
});
