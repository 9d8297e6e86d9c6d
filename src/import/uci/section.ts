import type { SourceLine } from '../source.js';

/** An option or a list of a section. */
interface Entry {
  values: string[];
  lines: SourceLine[];
}

/** What OpenWrt's config_get_bool takes for true. */
const TRUE = ['1', 'on', 'true', 'yes', 'enabled'];

/** A section of a UCI file. */
export class Section {
  /** The word behind `package`, which only `uci export` writes. */
  readonly package: string | undefined;
  readonly type: string;
  /** Undefined for one without a name. */
  readonly name: string | undefined;
  /** Its first line. */
  readonly at: SourceLine;
  readonly #entries = new Map<string, Entry>();

  constructor(pkg: string | undefined, type: string, name: string | undefined, at: SourceLine) {
    this.package = pkg;
    this.type = type;
    this.name = name;
    this.at = at;
  }

  /** An option that is given again replaces the one before. */
  setOption(key: string, value: string, at: SourceLine): void {
    this.#entries.set(key, { values: [value], lines: [at] });
  }

  /** Adds a value; an option of the name becomes the list's first one. */
  addToList(key: string, value: string, at: SourceLine): void {
    const entry = this.#entries.get(key) ?? { values: [], lines: [] };
    entry.values.push(value);
    entry.lines.push(at);
    this.#entries.set(key, entry);
  }

  /** What it is called in messages. */
  get title(): string {
    return this.name === undefined ? `the ${this.type} of line ${this.at.line}` : `${this.type} ${this.name}`;
  }

  get keys(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** The value as config_get gives it to a script: a list is joined by spaces, an empty one is absent. */
  get(key: string): string | undefined {
    const value = this.#entries.get(key)?.values.join(' ').trim();
    return value === '' ? undefined : value;
  }

  /** The values of a list, or of an option that has several, with spaces between them. */
  all(key: string): readonly string[] {
    return (this.get(key) ?? '').split(/\s+/).filter((one) => one !== '');
  }

  isOn(key: string, standard: boolean): boolean {
    const value = this.get(key);
    return value === undefined ? standard : TRUE.includes(value.toLowerCase());
  }

  /** Where an option stands; where it is absent, the section's first line. */
  lineOf(key: string): SourceLine {
    return this.#entries.get(key)?.lines[0] ?? this.at;
  }

  /** Where the entry of a list stands. */
  lineOfValue(key: string, value: string): SourceLine {
    const entry = this.#entries.get(key);
    const i = entry?.values.findIndex((one) => one.split(/\s+/).includes(value)) ?? -1;
    return entry?.lines[i] ?? this.lineOf(key);
  }

  /** The section's first line and those of the options that are given. */
  lines(...keys: readonly string[]): readonly SourceLine[] {
    const own = keys.flatMap((key) => this.#entries.get(key)?.lines ?? []);
    return [this.at, ...own.sort((a, b) => a.line - b.line)];
  }
}
