/** A line of packaging/npm/contents.txt as an expression: `*` is any name, `**` any path below. */
function expression(line: string): RegExp {
  const escaped = line.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*\*|\*/g, (star) => (star === '*' ? '[^/]+' : '.+'))}$`);
}

/**
 * Compares the files of a tarball with the list of what it may contain, packaging/npm/contents.txt.
 * @returns a line for each file that is not in the list, and for each line of it that no file has
 */
export function compareContents(files: readonly string[], list: string): string[] {
  const lines = list.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const expressions = lines.map(expression);
  return [
    ...files
      .filter((file) => !expressions.some((one) => one.test(file)))
      .map((file) => `${file} is not in packaging/npm/contents.txt`),
    ...lines
      .filter((_, i) => !files.some((file) => expressions[i]!.test(file)))
      .map((line) => `there is no ${line}, which packaging/npm/contents.txt names`),
  ];
}
