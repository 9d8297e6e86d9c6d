import type { SourceLine } from './source.js';

/** Something that the user should know about a line of the source. */
export interface Finding {
  readonly at: SourceLine;
  /** The other lines about which the same is to be said. */
  readonly also: readonly SourceLine[];
  readonly text: string;
  /** Whether the new configuration does something else than the old one because of it. */
  readonly lost: boolean;
}

/** Thrown where a part of the source cannot be said, so that it is left out. */
export class CannotSay extends Error {
  readonly at: SourceLine;

  constructor(at: SourceLine, message: string) {
    super(message);
    this.at = at;
  }
}

/** What an import has to say besides its result. */
export class Findings {
  readonly #found = new Map<string, { text: string; lost: boolean; lines: SourceLine[] }>();

  /** The source says something that we cannot say. */
  lost(at: SourceLine, text: string): void {
    this.#add(at, text, true);
  }

  /** The source did not do what it looks like, or it is done in another way here, to the same end. */
  note(at: SourceLine, text: string): void {
    this.#add(at, text, false);
  }

  /** What a reader makes of a part of the source; undefined where that cannot be said, which is a loss. */
  attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof CannotSay)) throw error;
      this.lost(error.at, error.message);
      return undefined;
    }
  }

  /** By file and line; what is said of several lines is one finding. */
  get all(): readonly Finding[] {
    return [...this.#found.values()]
      .map(({ text, lost, lines: [at, ...also] }) => ({ at: at!, also, text, lost }))
      .sort((a, b) => (a.at.file === b.at.file ? a.at.line - b.at.line : a.at.file < b.at.file ? -1 : 1));
  }

  #add(at: SourceLine, text: string, lost: boolean): void {
    const key = `${lost} ${at.file} ${text}`;
    const known = this.#found.get(key);
    if (known === undefined) this.#found.set(key, { text, lost, lines: [at] });
    else if (!known.lines.some(({ line }) => line === at.line)) known.lines.push(at);
  }
}
