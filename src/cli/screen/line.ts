import { printable } from '../../core/printable.js';

/** How a part of a line stands out, on a terminal that shows colours. Nothing is said by it alone. */
export type Style = 'good' | 'warn' | 'bad' | 'quiet' | 'bold' | 'head';

/** A part of a line. Its text is made harmless when it is printed. */
export type Segment = string | { readonly text: string; readonly style: Style };

/** A line of the screen. */
export type Line = readonly Segment[];

/** Select Graphic Rendition of ECMA-48. */
const SGR: Readonly<Record<Style, string>> = {
  good: '32',
  warn: '33',
  bad: '31',
  quiet: '2',
  bold: '1',
  head: '7',
};

/** The text of a line, with colours or without. */
export function lineText(line: Line, colours: boolean): string {
  return line
    .map((segment) => {
      if (typeof segment === 'string') return printable(segment);
      const text = printable(segment.text);
      return colours && text !== '' ? `\x1b[${SGR[segment.style]}m${text}\x1b[0m` : text;
    })
    .join('');
}

/** The number of columns that a line takes; names and reasons are of letters that take one each. */
export function lineWidth(line: Line): number {
  return line.reduce((sum, segment) => sum + textOf(segment).length, 0);
}

function textOf(segment: Segment): string {
  return printable(typeof segment === 'string' ? segment : segment.text);
}

/** Cuts a line to a width; `~` at its end says that there was more. */
export function clip(line: Line, width: number): Line {
  if (width <= 0) return [];
  if (lineWidth(line) <= width) return line;
  const kept: Segment[] = [];
  let left = width - 1;
  for (const segment of line) {
    const text = textOf(segment).slice(0, left);
    left -= text.length;
    if (text !== '') kept.push(typeof segment === 'string' ? text : { ...segment, text });
  }
  return [...kept, '~'];
}

/** Lines as texts of which none is wider than `width`; those that are broken have no colours. */
export function fitted(lines: readonly Line[], width: number, colours: boolean): string[] {
  return lines.flatMap((line) =>
    lineWidth(line) <= width ? [lineText(line, colours)] : wrap(lineText(line, false), width),
  );
}

/** Breaks a text at spaces, so that no line is wider; what has no space is broken anywhere. Further lines are indented by two. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = printable(text);
  let indent = '';
  while (indent.length + rest.length > width) {
    const room = Math.max(1, width - indent.length);
    const space = rest.lastIndexOf(' ', room);
    const at = space > room / 3 ? space : room;
    lines.push(indent + rest.slice(0, at).trimEnd());
    rest = rest.slice(at).trimStart();
    indent = width > 20 ? '  ' : '';
  }
  return [...lines, indent + rest];
}
