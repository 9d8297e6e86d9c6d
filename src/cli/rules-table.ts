import Table from 'cli-table3';
import { duration } from './duration.js';

/** A rule of the configuration and what it took. */
export interface RuleLine {
  readonly rule: number;
  readonly policy: string;
  readonly match: string;
  readonly connections: number;
  /** ISO 8601; null where that is not known. */
  readonly since: string | null;
}

/** The output of `status rules` for people. */
export function rulesTable(rules: readonly RuleLine[]): string {
  if (rules.length === 0) return 'no rules';
  const table = newTable(['rule', 'match', 'policy', 'connections', 'in the last'], ['match', 'policy']);
  for (const { rule, match, policy, connections, since } of rules) {
    const seconds = since === null ? undefined : Math.max(0, (Date.now() - Date.parse(since)) / 1000);
    table.push([
      rule,
      match || 'everything',
      policy,
      connections,
      seconds === undefined ? '-' : duration(seconds),
    ]);
  }
  return table.toString();
}

function newTable(head: string[], left: readonly string[]) {
  return new Table({
    head,
    colAligns: head.map((name) => (left.includes(name) ? 'left' : 'right')),
    style: { head: [], border: [] },
    // A line between the head and the rows would be drawn between all rows.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
}
