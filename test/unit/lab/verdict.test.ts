import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chiSquare, limit } from '#wanmark/lab/chi-square.js';
import { planNetwork } from '#wanmark/lab/plan.js';
import { type DrivenFlow, judgeRun, shares } from '#wanmark/lab/verdict.js';
import type { Decision } from '#wanmark/lab/wanmark.js';

const { wans } = planNetwork({ weights: [5, 3, 1] });

/** Judges a run with one connection for each letter, decided for the WAN of `decided` and seen by the WAN of `seen`. */
function run(strategy: string, decided: string, seen = decided, sources = '') {
  const decisions: Decision[] = [];
  const flows = [...seen].map((letter, i): DrivenFlow => {
    const tuple = {
      proto: 'tcp' as const,
      src: `10.0.0.${sources[i] ?? 1}`,
      sport: 1024 + i,
      dst: '203.0.113.10',
      dport: 7,
    };
    const mark = Number(decided[i]);
    if (mark > 0) decisions.push({ ...tuple, mark, wan: `wan${mark}` });
    const failed = letter === 'x' ? { error: 'ECONNREFUSED' } : {};
    const wan = /\d/.test(letter) ? `wan${letter}` : undefined;
    return { ...tuple, id: i, family: 4, seenAs: [], origin: i % 2 ? 'router' : 'client', wan, ...failed };
  });
  return judgeRun(strategy, wans, flows, decisions).problems;
}

test('the counts must be exact when the connections fill whole rounds', () => {
  assert.deepEqual(run('round-robin', '123123'), []);
  assert.deepEqual(run('weighted', '112112123'), []);
  assert.match(
    run('round-robin', '123121').join(),
    /wan1 should have 2 connections and has 3.*wan3 should have 2/,
  );
});

test('the counts may be off by one when the connections fill no whole rounds', () => {
  assert.deepEqual(run('round-robin', '1231'), []);
  assert.match(run('round-robin', '1111').join(), /wan1 should have 1\.3 connections and has 4/);
});

test('each connection is compared: swapped ones show though the counts agree', () => {
  const problems = run('round-robin', '123', '213');
  assert.equal(problems.length, 2);
  assert.match(
    problems[0]!,
    /^1 connection decided for wan1, seen by wan2; the first: tcp 10\.0\.0\.1 1024 > /,
  );
});

test('connections that failed, were not decided or came by no WAN are problems', () => {
  assert.deepEqual(run('round-robin', '123', '12x'), [
    '1 connection failed (ECONNREFUSED); the first: tcp 10.0.0.1 1026 > 203.0.113.10 7',
  ]);
  assert.match(run('round-robin', '120', '123').join(), /1 connection without a decision/);
  assert.match(run('failover', '111', '11?').join(), /decided for wan1, seen by no WAN/);
});

test('a second decision for a connection, and one for none, are problems', () => {
  const tuple = { proto: 'udp' as const, src: '10.0.0.1', sport: 1, dst: '203.0.113.10', dport: 7 };
  const flow: DrivenFlow = { ...tuple, id: 1, family: 4, seenAs: [], origin: 'client', wan: 'wan1' };
  const decision = { ...tuple, mark: 1, wan: 'wan1' };
  assert.match(
    judgeRun('failover', wans, [flow], [decision, decision]).problems.join(),
    /decided more than once/,
  );
  const stray = { ...decision, sport: 2 };
  assert.match(
    judgeRun('failover', wans, [flow], [decision, stray]).problems.join(),
    /1 decision for connections that the lab did not make/,
  );
});

test('source-hash: a client on two WANs is a problem', () => {
  assert.deepEqual(run('source-hash', '1122', '1122', '7788'), []);
  assert.deepEqual(run('source-hash', '1222', '1222', '7788'), [
    'connections of 10.0.0.7 are on wan1 and wan2, and should be on one WAN',
  ]);
});

test('random: counts beyond the bound are a problem, counts within it are not', () => {
  const counts = (a: number, b: number, c: number) => '1'.repeat(a) + '2'.repeat(b) + '3'.repeat(c);
  assert.deepEqual(run('random', counts(480, 320, 100)), []);
  assert.match(run('random', counts(400, 400, 100)).join(), /not random by weight: chi-square/);
});

test('without a daemon only what the weights promise counts', () => {
  const judged = (strategy: string, four: string, six = '') =>
    judgeRun(
      strategy,
      wans,
      [...four, ...six].map(
        (letter, i): DrivenFlow => ({
          id: i,
          proto: 'udp',
          src: '10.0.0.1',
          sport: i,
          dst: '203.0.113.10',
          dport: 7,
          seenAs: [],
          origin: 'client',
          family: i < four.length ? 4 : 6,
          wan: /\d/.test(letter) ? `wan${letter}` : undefined,
        }),
      ),
      undefined,
    );
  assert.deepEqual(judged('kernel-nth', '111112223', '322211111').problems, []);
  assert.equal(judged('kernel-nth', '111112223').wans[0]!.decided, null);
  assert.match(judged('kernel-nth', '111112233').problems.join(), /wan3 should have 1 connections and has 2/);
  // The rotation of neither family is whole, though all connections together would fill whole rounds.
  assert.deepEqual(judged('kernel-nth', '1121', '13122').problems, []);
  assert.match(judged('kernel-nth', '11121221?').problems.join(), /1 connection seen by no WAN/);
  assert.match(judged('kernel-random', '1'.repeat(90)).problems.join(), /not random by weight: chi-square/);
});

test('shares: drained WANs and higher tiers get none', () => {
  const tiers = planNetwork({ weights: [1, 0, 3, 1], tiers: [2, 1, 1, 1] }).wans;
  assert.deepEqual(shares('round-robin', tiers), [0, 0, 0.5, 0.5]);
  assert.deepEqual(shares('weighted', tiers), [0, 0, 0.75, 0.25]);
  assert.deepEqual(shares('failover', tiers), [0, 0, 1, 0]);
  assert.equal(shares('mine.js', tiers), undefined);
});

test('the bound is about the quantile of chi-square: tables say 23.93, 27.63 and 37.33 for a chance of 1e-6', () => {
  for (const [degrees, value, tolerance] of [
    [1, 23.93, 0.15],
    [2, 27.63, 0.1],
    [5, 37.33, 0.03],
  ] as const) {
    const ratio = limit(degrees) / value;
    assert.ok(ratio > 0.999 && ratio < 1 + tolerance, `${degrees}: ${ratio}`);
  }
  assert.equal(chiSquare([30, 30], [30, 30]), 0);
  assert.equal(chiSquare([1, 30], [0, 31]), Number.POSITIVE_INFINITY);
});
