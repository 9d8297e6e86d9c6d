import type { Finding } from '../doctor/examinations.js';
import { lineText, type Style, wrap } from './screen/line.js';
import { counted } from './units.js';

const WIDTH = 80;
const STYLES: Readonly<Record<Finding['level'], Style>> = { ok: 'good', warning: 'warn', wrong: 'bad' };
const LEVEL_WIDTH = 'warning  '.length;
const INDENT = ' '.repeat(LEVEL_WIDTH);

/** The report for people: a line for each finding, below it what to do, in 80 columns. What others wrote is made printable. */
export function doctorText(findings: readonly Finding[], colours: boolean): string {
  const lines = findings.flatMap((finding) => findingLines(finding, colours));
  return [...lines, '', `${summary(findings)}\n`].join('\n');
}

function findingLines({ level, examination, text, todo }: Finding, colours: boolean): string[] {
  const [first = '', ...more] = wrap(`${examination}: ${text}`, WIDTH - LEVEL_WIDTH);
  const advice = todo === undefined ? [] : wrap(`-> ${todo}`, WIDTH - LEVEL_WIDTH);
  return [
    lineText([{ text: level.padEnd(LEVEL_WIDTH), style: STYLES[level] }, first], colours),
    ...[...more, ...advice].map((line) => INDENT + line),
  ];
}

function summary(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((one) => one.level === level).length;
  const [wrong, warnings, ok] = [count('wrong'), count('warning'), count('ok')];
  if (wrong + warnings === 0) return `all ${ok} well`;
  return `${ok} ok, ${counted(warnings, 'warning')}, ${wrong} wrong`;
}
