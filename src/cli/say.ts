import { printable, printableLines } from '../core/printable.js';

/** Writes text of any number of lines to standard output. */
export function say(text: string): void {
  process.stdout.write(printableLines(text));
}

/** Writes one line for a person to standard error, after our name. */
export function complain(line: string): void {
  process.stderr.write(`wanmark: ${printable(line)}\n`);
}
