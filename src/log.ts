import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import { wantsColours } from './core/colours.js';
import { printable, printableJson } from './core/printable.js';
import { leadsToJournal, SEVERITY, severityOfLevel } from './journald.js';
import { logText } from './log-text.js';
import { markLine } from './mark-line.js';
import { Output } from './output.js';

const STDOUT = 1;
/** How long a line may stay in memory before it is written: short enough to tail, long enough to batch. */
const FLUSH_MS = 50;
/** Most bytes that wait for a slow reader; beyond, lines are dropped, never connections. */
const MAX_BUFFER_BYTES = 16 * 1024 * 1024;
/** Characters of lines that are handed over together at most. */
const LINES_LENGTH = 32 * 1024;
/** How long the end waits for a reader. */
const END_MS = 1000;

/** Writes a line of NDJSON, given with its newline, in order with the logger's own lines. */
export type LineSink = (line: string) => void;

/** A logger and the way to end it. */
export interface Log {
  readonly logger: Logger;
  /**
   * Writes the many lines of the mark log at a tenth of the logger's cost. Undefined on a terminal, where lines are for
   * people.
   */
  readonly line: LineSink | undefined;
  /** Gives what the logger is told during a call the date at which it happened, in milliseconds since 1970. */
  dated(date: number, call: () => void): void;
  /** How many lines were dropped because nobody took them in time, or the disk had no space. */
  dropped(): number;
  /** Writes the lines that are still in memory, as far as somebody takes them within a second. */
  end(): Promise<void>;
}

/**
 * Makes a log of NDJSON on stdout, or of readable lines when stdout is a terminal. Into systemd's journal go lines with their severity.
 * Writing to it never waits or fails.
 */
export function createLog(): Log {
  const output = new Output(STDOUT, {
    maxBytes: MAX_BUFFER_BYTES,
    onRecovered: (dropped) => logger.warn(dropped, 'log lines were dropped'),
  });
  // Many lines share one write, which costs as much as making five lines.
  let lines = '';
  let timer: NodeJS.Timeout | undefined;
  const writeLines = () => {
    clearTimeout(timer);
    timer = undefined;
    if (lines === '') return;
    const all = lines;
    lines = '';
    output.write(all);
  };
  const line = (text: string) => {
    lines += text;
    if (lines.length >= LINES_LENGTH) writeLines();
    else timer ??= setTimeout(writeLines, FLUSH_MS).unref();
  };
  const forPeople = isatty(STDOUT);
  const colours = wantsColours(forPeople, process.env);
  let date: number | undefined;
  const now = () => date ?? Date.now();
  const prefix = leadsToJournal(STDOUT) ? severityPrefix : () => '';
  const logger = forPeople
    ? pino(
        { base: null, timestamp: () => `,"time":${now()}` },
        { write: (text) => line(readable(text, colours)) },
      )
    : pino(
        { base: null, timestamp: () => `,"time":"${new Date(now()).toISOString()}"` },
        { write: (text: string) => line(prefix(text) + printableJson(text)) },
      );
  return {
    logger,
    line: forPeople ? undefined : line,
    dated: (at, call) => {
      date = at;
      try {
        call();
      } finally {
        date = undefined;
      }
    },
    dropped: () => output.dropped,
    end: async () => {
      writeLines();
      await output.end(END_MS);
    },
  };
}

const LEVEL = /^\{"level":(\d+),/;

/** What makes the journal know the severity of a line; nothing for one that has the journal's own default. */
function severityPrefix(text: string): string {
  const severity = severityOfLevel(Number(LEVEL.exec(text)?.[1] ?? 30));
  return severity === SEVERITY.info ? '' : `<${severity}>`;
}

/** Makes a line of the log readable. Its values are cleaned and not the whole line, which has colours. */
function readable(line: string, colours: boolean): string {
  const clean = (_key: string, value: unknown) => (typeof value === 'string' ? printable(value) : value);
  const fields = JSON.parse(line, clean);
  // A decision is one line, unless its packet is shown.
  return fields.msg === 'mark' && fields.packet === undefined
    ? `${markLine(fields)}\n`
    : logText(fields, colours);
}
