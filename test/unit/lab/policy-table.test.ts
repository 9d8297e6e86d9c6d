import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PolicyResult, SITUATIONS } from '#wanmark/lab/policies.js';
import { renderPolicyReport } from '#wanmark/lab/policy-table.js';

const result = (situation: PolicyResult['situation'], seen: Record<string, number>): PolicyResult => {
  const expected = { wan2: 24 };
  return { situation, kind: 'mail', policy: 'dsl', connections: 24, seen, expected, agree: seen.wan2 === 24 };
};

test('the report on policies has a line for a kind, and says what was due where it did not come', () => {
  const [with_, without, down] = SITUATIONS;
  const results = [
    result(with_, { wan2: 24 }),
    result(without, { wan1: 1, wan2: 23 }),
    result(down, { wan2: 24 }),
  ];
  const text = renderPolicyReport({ connections: 72, results, seconds: 1, agree: false });
  assert.match(text, /^│ 24 mail +│ dsl +│ wan2 24 +│ wan1 1, wan2 23 DISAGREE │ wan2 24 +│$/m);
  assert.match(text, /^72 connections, 1\.0 s: DISAGREE$/m);
  assert.match(text, /^ {2}- mail, without it: wan2 24 were due, wan1 1, wan2 23 came$/m);
});
