import { printable, printableLines } from '../core/printable.js';
import { leadsToJournal, SEVERITY } from '../journald.js';

const STDERR = 2;
const WARNING = 'warning: ';

/** Writes text of any number of lines to standard output. */
export function say(text: string): void {
  process.stdout.write(printableLines(text));
}

/**
 * Writes one line for a person to standard error, after our name. Systemd's journal gets its severity: that of a warning where the line
 * begins with the word.
 */
export function complain(line: string, severity: keyof typeof SEVERITY = 'info'): void {
  const found = line.startsWith(WARNING) ? 'warning' : severity;
  const prefix = leadsToJournal(STDERR) ? `<${SEVERITY[found]}>` : '';
  process.stderr.write(`${prefix}wanmark: ${printable(line)}\n`);
}
