import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { Selection } from '#wanmark/conntrack/requests.js';
import type { Happening } from '#wanmark/core/event.js';
import type { Family } from '#wanmark/core/family.js';
import { MarkField } from '#wanmark/core/mark.js';
import { targetId } from '#wanmark/core/target.js';
import { Failover } from '#wanmark/daemon/failover.js';
import { flow, poolOf, statesOf, wan } from '../flows.js';

/** A failover that notes what it does, with `wan3` for IPv4 only. */
function recorded(
  onDown: 'all' | 'udp' | 'none' = 'all',
  { tiers = [1, 1, 1], rules = () => Promise.resolve() } = {},
) {
  const wans = tiers.map((tier, i) => wan(i + 1, { tier, ...(i === 2 ? { via6: undefined } : {}) }));
  const moved: (string | number)[][] = [];
  const done: string[] = [];
  const cut: Selection[] = [];
  const lines: Record<string, unknown>[] = [];
  const events: Happening[] = [];
  const states = statesOf(wans);
  const pool = poolOf(wans, { pick: (_flow, all) => all.at(-1)! }, states);
  const picked = () => pool.select(flow())?.target.name;
  const logger = pino(
    { base: null, timestamp: false },
    { write: (text: string) => lines.push(JSON.parse(text)) },
  );
  const failover = new Failover({
    wans,
    field: new MarkField(0xff00),
    onDown,
    states,
    balancer: {
      candidates: (family) => new Set(pool.candidates(family).map(({ target }) => target.name)),
      forget: (mark) => {
        done.push(`forget ${mark}, new ones go by ${picked()}`);
      },
    },
    logger,
    events: { note: (event) => events.push(event) },
    mover: {
      move: async (from, family) => {
        moved.push([family, ...from.map(({ name }) => name)]);
        done.push(`move, new ones go by ${picked()}`);
      },
    },
    follow: () => {
      done.push(`rules without ${[...states.down].join(' ') || 'none'}, new ones go by ${picked()}`);
      return rules();
    },
    flush: async (mark, mask, selection = {}) => {
      done.push(
        `cut ${selection.unanswered ? 'unanswered' : 'all'} ${mark.toString(16)}/${mask.toString(16)}`,
      );
      cut.push(selection);
    },
  });
  const note = (name: string, family: Family, up: boolean, brief: boolean) => {
    const state = {
      up,
      since: 0,
      reason: 'a test',
      heldUntil: undefined,
      ...(brief && { brief: true as const }),
    };
    states.found(targetId(name, family), state);
    return { wan: name, family, ...state };
  };
  const turn = (name: string, family: Family, up: boolean, brief = false) =>
    failover.changed({ ...note(name, family, up, brief), lastedMs: 0 });
  const suspect = (name: string, family: Family, suspected: boolean) => {
    const suspicion = { since: 0, reason: 'a test' };
    states.suspect(targetId(name, family), suspected ? suspicion : undefined);
    return failover.suspicionChanged({ wan: name, family, reason: 'a test', suspected });
  };
  const lasts = (name: string, family: Family) => failover.lasts(note(name, family, false, false));
  return { turn, lasts, suspect, done, cut, moved, lines, events, picked };
}

describe('Failover', () => {
  it('takes a WAN out of selection, then out of the rules, then cuts its connections', async () => {
    const { turn, done, cut, picked } = recorded();
    await turn('wan3', 4, false);
    assert.deepEqual(done, [
      'forget 3, new ones go by wan2',
      'cut unanswered 300/ff00',
      'rules without wan3/4, new ones go by wan2',
      'cut all 300/ff00',
    ]);
    assert.deepEqual(cut.at(-1), { family: 4 });
    done.length = 0;
    await turn('wan3', 4, true);
    assert.deepEqual(done, ['rules without none, new ones go by wan2', 'move, new ones go by wan3']);
    assert.equal(picked(), 'wan3');
  });

  it('takes down changes of state, and what was cut', async () => {
    const { turn, suspect, events } = recorded();
    const wan3 = { target: 'wan3', family: 4 } as const;
    await suspect('wan3', 4, true);
    await suspect('wan3', 4, false);
    await turn('wan3', 4, false);
    await turn('wan3', 4, true);
    const cut = (which: 'all' | 'unanswered') => ({ kind: 'cut', ...wan3, which, connections: null });
    const state = (now: string, lastedSeconds: number | null = 0) => ({
      kind: 'state',
      ...wan3,
      state: now,
      reason: 'a test',
      lastedSeconds,
    });
    assert.deepEqual(events, [
      state('suspected', null),
      cut('unanswered'),
      cut('unanswered'),
      state('up'),
      state('down'),
      cut('unanswered'),
      cut('all'),
      state('up'),
    ]);
  });

  it('moves the connections of the WANs that are replaced by one that came up: none of its own tier, and once', async () => {
    const { turn, moved } = recorded('all', { tiers: [1, 1, 2] });
    await turn('wan1', 4, false);
    await turn('wan2', 4, false);
    await Promise.all([turn('wan1', 4, true), turn('wan2', 4, true)]);
    assert.deepEqual(moved, [[4, 'wan3'], [4]]);
  });

  it('moves the connections of the last resort that belong to WANs still down', async () => {
    const { turn, moved } = recorded('all', { tiers: [1, 2, 3] });
    for (const name of ['wan1', 'wan2']) await turn(name, 6, false);
    await turn('wan2', 6, true);
    await turn('wan1', 6, true);
    assert.deepEqual(moved, [
      [6, 'wan1'],
      [6, 'wan2'],
    ]);
  });

  it('moves nothing when it is down again before the rules were changed', async () => {
    const { turn, moved } = recorded('all', { tiers: [1, 2, 2] });
    await turn('wan1', 4, false);
    await Promise.all([turn('wan1', 4, true), turn('wan1', 4, false)]);
    assert.deepEqual(moved, []);
  });

  it('says it in one line with family, reason and date', async () => {
    const { turn, lines } = recorded();
    await turn('wan2', 6, false);
    await turn('wan2', 6, true);
    assert.deepEqual(
      lines.map(({ msg, wan: name, family, reason, level }) => [msg, name, family, reason, level]),
      [
        ['wan down', 'wan2', 6, 'a test', 40],
        ['wan up', 'wan2', 6, 'a test', 30],
      ],
    );
    // Moment 0 of the test's clock is the start of the process.
    assert.ok(Math.abs(Date.parse(String(lines[0]!.since)) - performance.timeOrigin) < 1000);
  });

  it('cuts nothing when no other WAN can carry the family', async () => {
    const { turn, cut } = recorded();
    await turn('wan1', 6, false);
    assert.deepEqual(cut, [{ family: 6, unanswered: true }, { family: 6 }]);
    await turn('wan2', 6, false);
    assert.equal(cut.length, 2);
  });

  it('cuts no answered connection of a WAN that came back while the rules were changed', async () => {
    const { turn, cut } = recorded();
    await Promise.all([turn('wan1', 4, false), turn('wan1', 4, true)]);
    assert.deepEqual(cut, [{ family: 4, unanswered: true }]);
  });

  it('cuts what was never answered when an outage begins that may be brief, and the rest when it lasts', async () => {
    const { turn, lasts, done, cut, picked } = recorded();
    await turn('wan3', 4, false, true);
    assert.deepEqual(done, [
      'forget 3, new ones go by wan2',
      'cut unanswered 300/ff00',
      'rules without wan3/4, new ones go by wan2',
    ]);
    await turn('wan3', 4, true, true);
    assert.equal(picked(), 'wan3');
    await turn('wan3', 4, false, true);
    await lasts('wan3', 4);
    assert.deepEqual(cut, [{ family: 4, unanswered: true }, { family: 4, unanswered: true }, { family: 4 }]);
  });

  it('cuts after an outage that lasts only when the rules are changed, and not when another change came first', async () => {
    const open: (() => void)[] = [];
    const made = () => recorded('all', { rules: () => new Promise<void>((resolve) => open.push(resolve)) });
    const slow = made();
    const both = [slow.turn('wan1', 4, false, true), slow.lasts('wan1', 4)];
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(slow.cut.length, 1);
    open.shift()!();
    await Promise.all(both);
    assert.deepEqual(slow.cut.slice(1), [{ family: 4 }]);

    for (const brief of [false, true]) {
      const { turn, lasts, cut } = made();
      const all = [turn('wan1', 4, false, true), lasts('wan1', 4), turn('wan1', 4, true)];
      if (brief) all.push(turn('wan1', 4, false, true));
      for (const end of open.splice(0)) end();
      await Promise.all(all);
      assert.ok(
        cut.every(({ unanswered }) => unanswered),
        JSON.stringify(cut),
      );
    }
  });

  it('moves nothing from a WAN that is only briefly down', async () => {
    const { turn, moved } = recorded('all', { tiers: [1, 2, 2] });
    for (const name of ['wan1', 'wan2', 'wan3']) await turn(name, 4, false, true);
    await turn('wan2', 4, true, true);
    assert.deepEqual(moved, [[4]]);
  });

  it('cuts only the connections that --on-down names, and those that were never answered', async () => {
    for (const [onDown, expected] of [
      ['udp', { family: 4, unanswered: true, proto: 17 }],
      ['none', { family: 4, unanswered: true }],
    ] as const) {
      const { turn, cut } = recorded(onDown);
      await turn('wan1', 4, false);
      assert.deepEqual(cut.at(-1), expected);
    }
  });

  it('brings up a WAN that failed again meanwhile only after the rules know of the last change, and logs it once', async () => {
    const open: (() => void)[] = [];
    const { turn, lines, picked } = recorded('all', {
      rules: () => new Promise<void>((resolve) => open.push(resolve)),
    });
    const all = [false, true, false, true].map((up) => turn('wan3', 4, up));
    for (const end of open.slice(0, 3)) end();
    await Promise.all(all.slice(0, 3));
    assert.equal(picked(), 'wan2', 'its route may have gone with the second failure');
    open[3]!();
    await all[3];
    assert.equal(picked(), 'wan3');
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['wan down', 'wan down', 'wan up'],
    );
  });

  it('cuts nothing of a suspected WAN that was ever answered, and what was not once more after the rules followed', async () => {
    const { suspect, done, cut, lines } = recorded();
    await suspect('wan3', 4, true);
    assert.deepEqual(done, [
      'forget 3, new ones go by wan2',
      'cut unanswered 300/ff00',
      'rules without none, new ones go by wan2',
      'cut unanswered 300/ff00',
    ]);
    done.length = 0;
    await suspect('wan3', 4, false);
    assert.deepEqual(done, ['rules without none, new ones go by wan3']);
    assert.ok(cut.every(({ unanswered, family }) => unanswered && family === 4));
    assert.deepEqual(
      lines.map(({ msg, wan: name, family, reason, level }) => [msg, name, family, reason, level]),
      [
        ['wan suspected', 'wan3', 4, 'a test', 40],
        ['wan not suspected any more', 'wan3', 4, 'a test', 30],
      ],
    );
  });

  it('cuts once where the suspicion is over before the rules followed', async () => {
    const { suspect, cut } = recorded();
    await Promise.all([suspect('wan3', 4, true), suspect('wan3', 4, false)]);
    assert.equal(cut.length, 1);
  });
});
