/** How a file's tests ended in a virtual machine. */
export interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The machine's own time. */
  readonly seconds: number;
}

/**
 * Reads a line of guest.sh: `file NAME CODE PASSED FAILED SKIPPED BEGAN ENDED`. A run without a failed test that still has an
 * exit code, such as one that took too long, counts as one failure.
 */
export function readResult(line: string): Result {
  const [, file, ...numbers] = line.split(' ');
  const [code, passed, failed, skipped, began, ended] = numbers.map(Number);
  return {
    file: file!,
    passed: passed!,
    failed: code === 0 ? failed! : Math.max(failed!, 1),
    skipped: skipped!,
    seconds: Math.round(ended! - began!),
  };
}

/** A result in a few words: `12`, `11 of 12`, `10, 2 skipped`. */
export function inWords({ passed, failed, skipped }: Result): string {
  const all = failed === 0 ? `${passed}` : `${passed} of ${passed + failed}`;
  return skipped === 0 ? all : `${all}, ${skipped} skipped`;
}

/** One column of the table: a system and a backend. */
export interface Column {
  readonly title: string;
  readonly results: readonly Result[];
}

/** The results as a table of Markdown: a line for each file, a column for each system and backend. */
export function renderTable(columns: readonly Column[]): string {
  const files = [...new Set(columns.flatMap(({ results }) => results.map(({ file }) => file)))];
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const cell = (file: string, { results }: Column) => {
    const result = results.find((candidate) => candidate.file === file);
    return result === undefined ? '' : inWords(result);
  };
  const total = ({ results }: Column) => `${results.reduce((sum, { seconds }) => sum + seconds, 0)} s`;
  return [
    row(['', ...columns.map(({ title }) => title)]),
    row(['---', ...columns.map(() => '---')]),
    ...files.map((file) => row([file, ...columns.map((column) => cell(file, column))])),
    row(["the machine's own time", ...columns.map(total)]),
  ].join('\n');
}
