import { clockText } from './clock-text.js';

/** A line of the log, with its fields. */
export interface LogLine {
  /** Of pino: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal. */
  readonly level: number;
  readonly time: number | string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

const RED = 31;
const GREEN = 32;
const YELLOW = 33;
const MAGENTA = 35;
const CYAN = 36;

const INDENT = '    ';

/**
 * A line of the log for a terminal: `[12:00:00.123] WARN: wan down`, and each of its fields on a line below.
 * @param colours whether the terminal is to get them
 * @returns text with its newline; strings are shown as they are
 */
export function logText({ level, time, msg = '', ...fields }: LogLine, colours: boolean): string {
  const coloured = (colour: number, text: string) => (colours ? `\x1b[${colour}m${text}\x1b[39m` : text);
  const [colour, word] = severity(level);
  const said = colour === undefined ? word : coloured(colour, word);
  const head = `[${clockText(new Date(time))}] ${said}: ${coloured(CYAN, msg)}\n`;
  const lines = Object.entries(fields).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
    return `${INDENT}${coloured(MAGENTA, name)}: ${text.replaceAll('\n', `\n${INDENT}`)}\n`;
  });
  return head + lines.join('');
}

function severity(level: number): readonly [colour: number | undefined, word: string] {
  if (level >= 50) return [RED, 'ERROR'];
  if (level >= 40) return [YELLOW, 'WARN'];
  return level >= 30 ? [GREEN, 'INFO'] : [undefined, 'DEBUG'];
}
