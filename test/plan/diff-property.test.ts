/**
 * The steps between two states of a table, on a model of iptables: whatever state it is in, they lead to the wanted
 * one, and other rules stay as they are.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { TargetId } from '#wanmark/core/target.js';
import { UsageError } from '#wanmark/errors.js';
import { buildPlan } from '#wanmark/plan/build.js';
import { tableSteps } from '#wanmark/plan/diff/iptables.js';
import { STAGES, type Stage } from '#wanmark/plan/plan.js';
import { planLists } from '#wanmark/plan/render/lists.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { seeded } from '../helpers/random.js';
import { randomRouter } from './machines.js';
import { TableModel } from './table-model.js';

const SEEDS = 300;
const BASES = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];

/** Our part of the tables of a random router; undefined where its configuration is refused. */
function randomTables(seed: number): Record<Stage, readonly string[]> | undefined {
  const { raw, facts, down, weights } = randomRouter(seed);
  try {
    const states = { ...NO_STATES, down: new Set(down as TargetId[]), weights: new Map(weights) };
    const lists = planLists(buildPlan(parseConfig(raw), facts, states));
    return { nat: lists.get('4.nat')!, mangle: lists.get('4.mangle')!, filter: lists.get('4.filter')! };
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

const isHead = (line: string) => line.startsWith(':');
const isRule = (line: string) => line.startsWith('-A WANMARK');
const isJump = (line: string) => !isHead(line) && !isRule(line);

/** A table with these lines of ours, and other people's rules among the jumps. */
function tableWith(lines: readonly string[], random: () => number): TableModel {
  const table = new TableModel(BASES);
  table.apply([...lines.filter(isHead), ...lines.filter(isRule)]);
  let count = 0;
  const foreign = (base: string) => {
    while (random() < 0.4) table.apply([`-A ${base} -s 10.0.0.${++count} -j ACCEPT`]);
  };
  for (const base of BASES) {
    foreign(base);
    for (const jump of lines.filter((line) => line.startsWith(`-A ${base} `))) {
      table.apply([jump]);
      foreign(base);
    }
  }
  return table;
}

/** Damages our part as somebody else may: rules and jumps removed, jumps doubled or in another order. */
function damaged(lines: readonly string[], random: () => number): string[] {
  const kept = lines.filter((line) => isHead(line) || random() > 0.2);
  const jumps = kept.filter(isJump).flatMap((jump) => (random() < 0.2 ? [jump, jump] : [jump]));
  const order = new Map(jumps.map((jump) => [jump, random()]));
  return [
    ...kept.filter((line) => !isJump(line)),
    ...jumps.toSorted((a, b) => order.get(a)! - order.get(b)!),
  ];
}

const foreignRules = (table: TableModel) =>
  BASES.map((base) => table.rules(base).filter((rule) => !rule.includes('--comment wanmark')));

function check(
  stage: Stage,
  had: readonly string[],
  asked: readonly string[] | undefined,
  want: readonly string[],
  random: () => number,
) {
  const table = tableWith(had, random);
  const have = table
    .lines()
    .filter((line) => isHead(line) || isRule(line) || line.includes('--comment wanmark'));
  const foreign = foreignRules(table);
  const steps = tableSteps(stage, { have, asked }, want);
  table.apply(steps);
  const ours = table.lines().filter((line) => !line.includes('-j ACCEPT') || isRule(line));
  assert.deepEqual(ours.filter(isHead).toSorted(), want.filter(isHead).toSorted());
  for (const head of want.filter(isHead)) {
    const chain = head.slice(1).split(' ', 1)[0]!;
    assert.deepEqual(
      table.rules(chain),
      want.filter((line) => line.startsWith(`-A ${chain} `)),
    );
  }
  assert.deepEqual(
    ours.filter(isJump),
    BASES.flatMap((base) => want.filter((line) => line.startsWith(`-A ${base} `))),
  );
  assert.deepEqual(foreignRules(table), foreign);
  return steps;
}

test(`the steps lead from any state to the wanted one, ${SEEDS} random routers`, () => {
  const tables = Array.from({ length: SEEDS }, (_, i) => ({
    seed: i + 1,
    tables: randomTables(i + 1),
  })).filter(({ tables: made }) => made !== undefined);
  assert.ok(tables.length > SEEDS / 2);
  for (const [i, { seed, tables: wanted }] of tables.entries()) {
    const random = seeded(seed);
    for (const stage of STAGES) {
      const want = wanted![stage];
      const before = tables.at(i - 1)!.tables![stage];
      try {
        check(stage, [], undefined, want, random);
        check(stage, want, undefined, [], random);
        check(stage, before, before, want, random);
        check(stage, damaged(before, random), undefined, want, random);
        check(stage, damaged(want, random), undefined, want, random);
        assert.deepEqual(check(stage, want, want, want, random), []);
      } catch (error) {
        throw new Error(`seed ${seed}, ${stage}`, { cause: error });
      }
    }
  }
});
