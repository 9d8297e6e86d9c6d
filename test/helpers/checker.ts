// Runs one check in its own process, as a daemon on the lab's router would: checker.js TEXT PATH [ROUNDS]
//
// TEXT is what follows `--check`, PATH a CheckPath as JSON. Prints a line of JSON: the results of the targets of the
// path's family, and descriptors and processes before and after.
import { readdirSync } from 'node:fs';
import { parseCheck } from '#wanmark/config/check.js';
import type { CheckPath, CheckResult } from '#wanmark/wan/check/check.js';
import { makeCheck } from '#wanmark/wan/checks.js';

export interface Checked {
  readonly results: readonly CheckResult[];
  /** Rounds of which every probe went well. */
  readonly good: number;
  /** Descriptors after the first tenth of the rounds, and in the end. */
  readonly descriptors: readonly [number, number];
  readonly ms: number;
}

const count = () => readdirSync('/proc/self/fd').length;
const [text = '', pathText = '{}', roundsText = '1'] = process.argv.slice(2);
const config = parseCheck(text);
const path = JSON.parse(pathText) as CheckPath;
const check = makeCheck(config);
const rounds = Number(roundsText);
const { signal } = new AbortController();
const began = performance.now();
let results: CheckResult[] = [];
let good = 0;
let before = count();
for (let i = 0; i < rounds; i++) {
  if (i === Math.ceil(rounds / 10)) before = count();
  const targets = config.targets[path.family];
  results = await Promise.all(targets.map((target) => check(target, path, config.timeoutMs, signal)));
  if (results.every(({ ok }) => ok)) good++;
}
// What is closed goes at the loop's next turn.
await new Promise((resolve) => setImmediate(resolve));
const checked: Checked = {
  results,
  good,
  descriptors: [before, count()],
  ms: Math.round(performance.now() - began),
};
process.stdout.write(`${JSON.stringify(checked)}\n`);
