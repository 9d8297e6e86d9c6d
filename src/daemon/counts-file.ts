import { unwatchFile, watchFile } from 'node:fs';
import { readRegular, whyUnread } from '../regular-file.js';

/** How often to look for changes. A stat costs next to nothing and works on every file system. */
const WATCH_MS = 250;

/** A line for every mark there can be has less than that in any field that anybody uses. */
const MOST_BYTES = 1 << 20;

/**
 * Connections by mark from a file in the form of the wiki's `marks_stats.csv`: a line `200, 1` means 200 connections on
 * mark 1. The file is read again when it changes; while it is missing or wrong, the last numbers stay.
 */
export class CountsFile {
  readonly #path: string;
  readonly #onFault: (message: string) => void;
  #counts: ReadonlyMap<number, number> = new Map();
  readonly #changed = () => this.#read();

  /** @param onFault told, in one line, why the file could not be used */
  constructor(path: string, onFault: (message: string) => void) {
    this.#path = path;
    this.#onFault = onFault;
    this.#read();
    watchFile(path, { interval: WATCH_MS, persistent: false }, this.#changed);
  }

  /** Connections of a mark number; 0 for a mark that the file does not name. */
  count(mark: number): number {
    return this.#counts.get(mark) ?? 0;
  }

  close(): void {
    unwatchFile(this.#path, this.#changed);
  }

  #read(): void {
    const fault = (why: string) => this.#onFault(`counts file ${this.#path}: ${why}; the last counts stay`);
    let text: string;
    try {
      text = readRegular(this.#path, { most: MOST_BYTES }).toString('utf8');
    } catch (error) {
      fault(`cannot read it: ${whyUnread(error)}`);
      return;
    }
    try {
      this.#counts = parseCounts(text);
    } catch (error) {
      fault((error as Error).message);
    }
  }
}

/** Reads lines `CONNECTIONS, MARK`; skips blank lines and a heading without digits. @throws Error with the line */
export function parseCounts(text: string): Map<number, number> {
  const counts = new Map<number, number>();
  text.split('\n').forEach((line, i) => {
    if (!/\d/.test(line)) return;
    const match = /^\s*(\d{1,15})\s*,\s*(\d{1,10})\s*$/.exec(line);
    if (match === null) throw new Error(`line ${i + 1} is not "connections, mark"`);
    counts.set(Number(match[2]), Number(match[1]));
  });
  return counts;
}

/** Writes the same form, one line for each mark. */
export function formatCounts(counts: Iterable<readonly [mark: number, connections: number]>): string {
  return [...counts].map(([mark, connections]) => `${connections}, ${mark}\n`).join('');
}
