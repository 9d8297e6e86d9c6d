import { printable } from '../core/printable.js';
import type { Finding } from '../doctor/examinations.js';

const WIDTH = 80;
/** SGR parameters of ECMA-48: green, yellow, red. */
const COLOURS: Readonly<Record<Finding['level'], number>> = { ok: 32, warning: 33, wrong: 31 };
const LEVEL_WIDTH = 'warning  '.length;
const INDENT = ' '.repeat(LEVEL_WIDTH);

/** The report for people: a line for each finding, below it what to do, in 80 columns. What others wrote is made printable. */
export function doctorText(findings: readonly Finding[], hasColour: boolean): string {
  const lines = findings.flatMap((finding) => findingLines(finding, hasColour));
  return [...lines, '', `${summary(findings)}\n`].join('\n');
}

/** Whether a stream is to have colours: a terminal has, unless NO_COLOR is set and not empty (no-color.org). */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  environment: NodeJS.ProcessEnv = process.env,
): boolean {
  return stream.isTTY === true && (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb';
}

function findingLines({ level, examination, text, todo }: Finding, hasColour: boolean): string[] {
  const [first = '', ...more] = wrap(printable(`${examination}: ${text}`), WIDTH - LEVEL_WIDTH);
  const word = level.padEnd(LEVEL_WIDTH);
  const painted = hasColour ? `\x1b[${COLOURS[level]}m${word}\x1b[m` : word;
  const advice = todo === undefined ? [] : wrap(printable(`-> ${todo}`), WIDTH - LEVEL_WIDTH);
  return [
    painted + first,
    ...more.map((line) => `${INDENT}  ${line}`),
    ...advice.map((line, i) => INDENT + (i === 0 ? line : `   ${line}`)),
  ];
}

/** Breaks a text between words. The lines after the first are to be moved in, so they are shorter. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    const room = lines.length > 1 ? width - 3 : width;
    if (last !== undefined && last.length + 1 + word.length <= room)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function summary(findings: readonly Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((one) => one.level === level).length;
  const [wrong, warnings, ok] = [count('wrong'), count('warning'), count('ok')];
  if (wrong + warnings === 0) return `all ${ok} well`;
  return `${ok} ok, ${warnings} warning${warnings === 1 ? '' : 's'}, ${wrong} wrong`;
}
