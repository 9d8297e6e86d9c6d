import { plainText } from './plain-text.js';

/** Lines of a page's source may have 80 columns, as mandoc(1) has it. */
const WIDTH = 78;

/**
 * Text as lines of mdoc(7), a sentence on lines of its own: no word of it is a macro or an escape, and what stands in backticks is
 * bold.
 */
export function textLines(markdown: string): string {
  const sentences = plainText(markdown).split(/(?<=[.!?]) (?=[A-Z`0-9])/);
  return sentences
    .flatMap((one) => wrap(bold(escapeText(one))))
    .map(guard)
    .join('\n');
}

function bold(text: string): string {
  return text.replaceAll(/`([^`]+)`/g, '\\fB$1\\fR');
}

function wrap(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** A line that begins with one of these would be a macro. */
function guard(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

/** Text as one argument of a macro. */
export function argument(text: string): string {
  return `"${escapeText(text).replaceAll('"', '\\(dq')}"`;
}

/** A list of what is explained: each head is a macro line. */
export function tagList(items: readonly (readonly [head: string, lines: readonly string[]])[]): string {
  return ['.Bl -tag -width Ds', ...items.flatMap(([head, lines]) => [`.It ${head}`, ...lines]), '.El'].join(
    '\n',
  );
}

/** Lines as they stand. */
export function display(text: string): string {
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => guard(escapeText(line)));
  return ['.Bd -literal -offset indent', ...lines, '.Ed'].join('\n');
}

function escapeText(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti');
}
