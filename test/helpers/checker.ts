// Runs checks one after another, like a daemon on the lab's router: checker.js PATH ROUNDS TEXT...
//
// TEXT is the argument of `--check`, PATH a CheckPath as JSON. For each check it prints a line of JSON: the results of
// the targets of the path's family in the last round, and the number of open descriptors.
import { readdirSync } from 'node:fs';
import { parseCheck } from '#wanmark/config/check.js';
import type { CheckPath, CheckResult } from '#wanmark/wan/check/check.js';
import { makeCheck } from '#wanmark/wan/checks.js';

export interface Checked {
  readonly results: readonly CheckResult[];
  /** Rounds in which every probe went well. */
  readonly good: number;
  /** Open descriptors after the first tenth of the rounds, and at the end. */
  readonly descriptors: readonly [number, number];
}

const count = () => readdirSync('/proc/self/fd').length;
const [pathText = '{}', roundsText = '1', ...texts] = process.argv.slice(2);
const path = JSON.parse(pathText) as CheckPath;

async function run(text: string): Promise<Checked> {
  const config = parseCheck(text);
  const check = makeCheck(config);
  const rounds = Number(roundsText);
  const { signal } = new AbortController();
  let results: CheckResult[] = [];
  let good = 0;
  let before = count();
  for (let i = 0; i < rounds; i++) {
    if (i === Math.ceil(rounds / 10)) before = count();
    const targets = config.targets[path.family];
    results = await Promise.all(targets.map((target) => check(target, path, config.timeoutMs, signal)));
    if (results.every(({ ok }) => ok)) good++;
  }
  // Closed descriptors go away at the event loop's next turn.
  await new Promise((resolve) => setImmediate(resolve));
  return { results, good, descriptors: [before, count()] };
}

for (const text of texts) process.stdout.write(`${JSON.stringify(await run(text))}\n`);
