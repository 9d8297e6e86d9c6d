/** One option, the same as a flag (`--queue-num 1`) and as a key of the configuration file (`queue-num: 1`). */
export interface Option {
  /** `text` takes a value, `list` takes one and can be repeated, `switch` takes none. */
  readonly type: 'text' | 'list' | 'switch';
  /** One line for `--help`. */
  readonly describe: string;
  /** The description in docs/options.md, where `describe` is not enough. Markdown; its links start from docs/. */
  readonly details?: string;
  /** The name of the value; words with bars between them are all the values that there are, see {@link choicesOf}. */
  readonly value?: string;
  /** The lowest and the highest of the whole numbers that it takes. */
  readonly range?: readonly [number, number];
  /** The value that holds when neither a flag nor the file gives one; shown by `--help`. */
  readonly default?: string;
}

/** All the values of an option that has only a few; undefined for others. */
export function choicesOf({ value = '' }: Pick<Option, 'value'>): readonly string[] | undefined {
  return /^[a-z]+(\|[a-z]+)+$/.test(value) ? value.split('|') : undefined;
}
