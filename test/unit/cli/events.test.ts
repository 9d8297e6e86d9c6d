import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventLine, eventText } from '#wanmark/cli/event-text.js';
import { parseSince } from '#wanmark/cli/since.js';
import type { Happening } from '#wanmark/core/event.js';

const line = (happening: Happening) => eventText({ number: 1, at: '2026-11-30T12:00:00Z', ...happening });
const fibre = { target: 'fibre', family: 4 } as const;

describe('the text of events', () => {
  for (const [text, happening] of [
    ['wanmark 0.2.0 started, process 7', { kind: 'start', pid: 7, version: '0.2.0' }],
    ['wanmark stopped after 2 h 3 min, process 7', { kind: 'stop', pid: 7, uptimeSeconds: 7380 }],
    [
      'fibre IPv4 down after 1 d 1 h: ping 1.1.1.1: timeout',
      { kind: 'state', ...fibre, state: 'down', reason: 'ping 1.1.1.1: timeout', lastedSeconds: 90_000 },
    ],
    [
      'fibre IPv4 suspected: no answers',
      { kind: 'state', ...fibre, state: 'suspected', reason: 'no answers', lastedSeconds: null },
    ],
    [
      'fibre IPv4 12 connections cut (unanswered)',
      { kind: 'cut', ...fibre, which: 'unanswered', connections: 12 },
    ],
    ['fibre IPv4 1 connection cut', { kind: 'cut', ...fibre, which: 'all', connections: 1 }],
    ['fibre IPv4 1 connection moved away', { kind: 'moved', ...fibre, connections: 1, left: 0 }],
    ['1 rule was missing and put back: -A X', { kind: 'repaired', missing: 1, lines: ['-A X'] }],
    ['fibre IPv4 its connections cut', { kind: 'cut', ...fibre, which: 'all', connections: null }],
    ['fibre IPv4 5 connections moved away, 2 left', { kind: 'moved', ...fibre, connections: 5, left: 2 }],
    [
      '2 rules were missing and put back: -A X, ...',
      { kind: 'repaired', missing: 2, lines: ['-A X', '-A Y'] },
    ],
    ['rules: the lock is held', { kind: 'rules', error: 'the lock is held' }],
    [
      'fibre IPv4 hook /etc/h failed with exit code 1',
      { kind: 'hook', ...fibre, hook: '/etc/h', error: 'failed with exit code 1' },
    ],
    ['fibre set: weight 0, was 5', { kind: 'set', target: 'fibre', what: 'weight', now: '0', was: '5' }],
    ['reloaded: fibre weight 5 -> 3', { kind: 'reload', changes: ['fibre weight 5 -> 3'], error: null }],
    ['reloaded: nothing changed', { kind: 'reload', changes: [], error: null }],
    ['reload refused: no WAN', { kind: 'reload', changes: [], error: 'no WAN' }],
  ] satisfies [string, Happening][]) {
    it(text, () => assert.equal(line(happening), text));
  }

  it('shows a kind that this version does not know as it is', () => {
    const event = { number: 1, at: '2026-11-30T12:00:00Z', kind: 'later', what: 1 } as unknown as Parameters<
      typeof eventText
    >[0];
    assert.match(eventText(event), /"kind":"later","what":1/);
  });

  it('has the local time', () => {
    const at = new Date(2026, 10, 30, 4, 5, 6).toISOString();
    assert.equal(eventLine({ number: 1, at, kind: 'rules', error: 'x' }), '2026-11-30 04:05:06  rules: x');
  });
});

describe('--since', () => {
  const now = new Date(2026, 10, 30, 15, 0, 0);
  const local = (...parts: [number, number, number, number, number]) => new Date(...parts).getTime();

  it('takes how long ago, a time of today, or a date', () => {
    const before = (seconds: number) => now.getTime() - 1000 * seconds;
    for (const [text, ms] of [
      ['90s', before(90)],
      ['10min', before(600)],
      ['10m', before(600)],
      ['2h', before(7200)],
      ['3d', before(3 * 86_400)],
      ['9:30', local(2026, 10, 30, 9, 30)],
      ['2026-11-29', local(2026, 10, 29, 0, 0)],
      ['2026-11-29T14:30', local(2026, 10, 29, 14, 30)],
      ['2026-11-29 14:30', local(2026, 10, 29, 14, 30)],
      ['2026-11-29T14:30:00Z', Date.UTC(2026, 10, 29, 14, 30)],
    ] as const) {
      assert.equal(parseSince(text, now), ms, text);
    }
  });

  it('refuses anything else, and says what it takes', () => {
    for (const text of ['', 'yesterday', '25:00', '9:75', '2026-13-40', '10', '-5min'])
      assert.throws(
        () => parseSince(text, now),
        /^UsageError: --since: ".*" is not a time; use for example 10min/,
      );
  });
});
