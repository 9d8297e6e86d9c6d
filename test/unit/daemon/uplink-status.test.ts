import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCheck } from '#wanmark/config/check.js';
import type { TargetId } from '#wanmark/core/target.js';
import { wanTarget } from '#wanmark/core/wan.js';
import { checkStatus, drained, uplinkStatus } from '#wanmark/daemon/uplink-status.js';
import { statesOf, wan } from '../flows.js';

/** The status of a WAN: for IPv4 and for IPv6, whether it is up, and for how many seconds. */
function statusOf(four: readonly [boolean, number], six: readonly [boolean, number]) {
  const states = {
    suspicion: () => undefined,
    changes: () => 0,
    state: (id: TargetId) => {
      const family = id.slice(-1);
      const [up, seconds] = family === '4' ? four : six;
      const since = performance.now() - 1000 * seconds;
      return { up, since, reason: `IPv${family} ${up}`, heldUntil: undefined };
    },
  };
  const { since, reason, families } = uplinkStatus(wanTarget(wan(1)), states);
  return { seconds: Math.round((Date.now() - Date.parse(since)) / 1000), reason, families };
}

describe('uplinkStatus', () => {
  it('is up since its first family came up, and down since its last one went down', () => {
    const brief = (status: ReturnType<typeof statusOf>) => [status.seconds, status.reason];
    assert.deepEqual(brief(statusOf([true, 10], [true, 30])), [30, 'IPv6 true']);
    assert.deepEqual(brief(statusOf([false, 50], [true, 30])), [30, 'IPv6 true']);
    assert.deepEqual(brief(statusOf([false, 50], [false, 30])), [30, 'IPv6 false']);
  });

  it('tells the families apart', () => {
    const { families } = statusOf([true, 1], [false, 1]);
    assert.deepEqual(
      families.map(({ family, state, reason }) => [family, state, reason]),
      [
        [4, 'up', 'IPv4 true'],
        [6, 'down', 'IPv6 false'],
      ],
    );
  });

  it('says that a WAN waits to come up, and until when', () => {
    const until = performance.now() + 12_000;
    const state = { up: false, since: 0, reason: 'ping failed', heldUntil: until };
    const { reason, upAt, families } = uplinkStatus(wanTarget(wan(1, { via6: undefined })), {
      state: () => state,
      suspicion: () => undefined,
      changes: () => 0,
    });
    assert.match(reason, /^ping failed; works again, up in 1[12] s$/);
    assert.ok(Math.abs(Date.parse(upAt!) - Date.now() - 12_000) < 1000, upAt!);
    assert.deepEqual([families[0]?.reason, families[0]?.upAt], [reason, upAt]);
    const late = { ...state, heldUntil: performance.now() - 5000 };
    assert.match(
      uplinkStatus(wanTarget(wan(1)), {
        state: () => late,
        suspicion: () => undefined,
        changes: () => 0,
      }).reason,
      /, up in 0 s$/,
    );
  });

  it('says that a WAN that is up is suspected, unless another family is not', () => {
    const one = wan(1);
    const states = statesOf([one]);
    states.suspect('wan1/4', { since: performance.now() - 7000, reason: 'asked in vain' });
    const { reason, families } = uplinkStatus(wanTarget(one), states);
    assert.equal(reason, 'not checked');
    assert.deepEqual(
      families.map((family) => [family.state, family.reason]),
      [
        ['suspected', 'asked in vain'],
        ['up', 'not checked'],
      ],
    );
    states.suspect('wan1/6', { since: performance.now(), reason: 'asked in vain, too' });
    assert.equal(uplinkStatus(wanTarget(one), states).reason, 'asked in vain');
  });

  it('drains since the weight became 0, and is up again since it is not', () => {
    const line = { since: new Date(Date.now() - 3_600_000).toISOString(), reason: 'ping answers' };
    const seconds = ({ since }: { since: string }) => Math.round((Date.now() - Date.parse(since)) / 1000);
    const fiveAgo = performance.now() - 5000;
    const drain = drained('drain', line, fiveAgo);
    assert.deepEqual([seconds(drain), drain.reason], [5, 'weight 0']);
    const configured = drained('drain', line, undefined);
    assert.deepEqual([seconds(configured), configured.reason], [3600, 'weight 0']);
    const up = drained('up', line, fiveAgo);
    assert.deepEqual([seconds(up), up.reason], [5, 'ping answers']);
    const latelyUp = { ...line, since: new Date(Date.now() - 2000).toISOString() };
    assert.equal(seconds(drained('up', latelyUp, fiveAgo)), 2);
    assert.deepEqual(drained('down', line, fiveAgo), line);
  });

  it('shows the last round of each check', () => {
    const config = parseCheck('wan1=ping,to=192.0.2.9+192.0.2.10');
    const [shown] = checkStatus([
      {
        config,
        family: 4,
        at: performance.now() - 3000,
        answered: 1,
        asked: 2,
        rttMs: 8.14,
        loss: 12.5,
        probes: [
          { answered: 7, lost: 1 },
          { answered: 0, lost: 8 },
        ],
      },
    ]);
    assert.ok(Math.abs(Date.parse(shown!.at) - Date.now() + 3000) < 1000, shown!.at);
    assert.deepEqual(
      { ...shown, at: '' },
      {
        kind: 'ping',
        family: 4,
        targets: ['192.0.2.9', '192.0.2.10'],
        at: '',
        answered: 1,
        rttMs: 8.1,
        loss: 0.125,
        unknown: null,
        probes: [
          { target: '192.0.2.9', answered: 7, lost: 1 },
          { target: '192.0.2.10', answered: 0, lost: 8 },
        ],
      },
    );
  });

  it('says that nobody checks a WAN', () => {
    const one = wan(1, { via6: undefined });
    const { reason, families } = uplinkStatus(wanTarget(one), statesOf([one]));
    assert.equal(reason, 'not checked');
    assert.equal(families.length, 1);
  });
});
