import Table from 'cli-table3';
import type { Report } from './experiment.js';
import type { WanResult } from './verdict.js';

const percent = (part: number, whole: number) =>
  whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`;
const plain = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(1));

/** Whether a WAN's numbers agree. Without decisions all WANs are judged together: a draw is not wrong for one alone. */
function agrees(report: Report, { decided, seen, expected }: WanResult): boolean {
  return decided === null ? report.agree || seen === expected : decided === seen;
}

/** The report for people: a table of the WANs, a table of the kinds of connections, and the verdict. */
export function renderReport(report: Report): string {
  const style = { head: [], border: [], compact: true };
  const wans = new Table({
    head: ['WAN', 'weight', 'share', 'expected', 'decided', 'server saw', 'forwarded', "router's own", ''],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'left'],
    style,
  });
  for (const wan of report.wans) {
    const { name, weight, expected, decided, seen, forwarded, originated } = wan;
    wans.push([
      name,
      weight,
      percent(seen, report.connections),
      expected === null ? '-' : plain(expected),
      decided ?? '-',
      seen,
      forwarded,
      originated,
      agrees(report, wan) ? 'agree' : 'DISAGREE',
    ]);
  }
  const names = report.wans.map(({ name }) => name);
  const kinds = new Table({
    head: ['connections', ...names],
    colAligns: ['left', ...names.map(() => 'right' as const)],
    style,
  });
  for (const { kind, connections, seen } of report.kinds) {
    kinds.push([`${connections} ${kind}`, ...names.map((name) => seen[name] ?? 0)]);
  }
  const what = `${report.connections} connections, strategy ${report.strategy}, ${report.seconds.toFixed(1)} s`;
  const decided = report.wans.some((wan) => wan.decided !== null);
  const saw = decided ? 'what was decided, and what the strategy promises' : 'what the weights promise';
  const verdict = report.agree
    ? [`${what}: the server saw ${saw}.`]
    : [`${what}: DISAGREE`, ...report.problems.map((problem) => `  - ${problem}`)];
  return `${wans}\n${kinds}\n${verdict.join('\n')}\n`;
}
