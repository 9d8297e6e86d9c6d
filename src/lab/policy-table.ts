import Table from 'cli-table3';
import { type PolicyReport, type PolicyResult, SITUATIONS } from './policies.js';

/** The report about policies for people: a line for each kind of connection, a column for each situation. */
export function renderPolicyReport(report: PolicyReport): string {
  const table = new Table({
    head: ['connections', 'policy', ...SITUATIONS],
    style: { head: [], border: [], compact: true },
  });
  for (const kind of new Set(report.results.map((result) => result.kind))) {
    const those = report.results.filter((result) => result.kind === kind);
    const cells = SITUATIONS.map((situation) => cell(those.find((one) => one.situation === situation)!));
    table.push([`${those[0]!.connections} ${kind}`, those[0]!.policy, ...cells]);
  }
  const what = `${report.connections} connections, ${report.seconds.toFixed(1)} s`;
  const verdict = report.agree
    ? `${what}: the server saw each by the WANs of its policy.`
    : [
        `${what}: DISAGREE`,
        ...report.results
          .filter(({ agree }) => !agree)
          .map(
            ({ situation, kind, expected, seen }) =>
              `  - ${kind}, ${situation}: ${counts(expected)} were due, ${counts(seen)} came`,
          ),
      ].join('\n');
  return `${table}\n${verdict}\n`;
}

function cell({ seen, agree }: PolicyResult): string {
  return agree ? counts(seen) : `${counts(seen)} DISAGREE`;
}

function counts(seen: Readonly<Record<string, number>>): string {
  return Object.entries(seen)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
