import { wantsColours } from '../core/colours.js';
import { fitted, type Line } from './screen/line.js';

/** The width that tables keep to where nobody says how wide the screen is. */
const WIDTH = 80;

/** The width of the terminal; that of most where output goes elsewhere. */
export function outputWidth(): number {
  return process.stdout.columns ?? WIDTH;
}

/**
 * Writes lines to standard output. On a terminal they have colours, and long ones are broken at spaces; into a file or a pipe each
 * goes whole.
 */
export function printLines(lines: readonly Line[]): void {
  const { isTTY, columns } = process.stdout;
  const width = isTTY ? (columns ?? WIDTH) : Number.POSITIVE_INFINITY;
  const text = fitted(lines, width, wantsColours(isTTY, process.env));
  process.stdout.write(`${text.join('\n')}\n`);
}
