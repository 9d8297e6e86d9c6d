/** A line of a file that is imported. */
export interface SourceLine {
  /** The path as the user gave it. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** The line without the spaces around it. */
  readonly text: string;
}

/** The lines of a text, by number. */
export class Source {
  readonly file: string;
  readonly #lines: readonly string[];

  constructor(file: string, text: string) {
    this.file = file;
    this.#lines = text.split('\n');
  }

  /** @param line counted from 1 */
  at(line: number): SourceLine {
    return { file: this.file, line, text: (this.#lines[line - 1] ?? '').trim() };
  }
}
