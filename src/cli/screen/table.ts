import type { Line, Segment } from './line.js';
import { lineWidth } from './line.js';

/** A column of a table. */
export interface Column {
  readonly head: string;
  /** Numbers stand on the right, which is the default; words on the left. */
  readonly left?: true;
  /** Columns with a higher number go first where there is not enough room; those without one never. */
  readonly drop?: number;
}

/** Two spaces between columns are enough for a table without lines. */
const GAP = '  ';

/**
 * A table without lines, as wide as it has to be. Where that is wider than `width`, columns that may go are left out.
 * @param rows cells in the order of the columns
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Segment[])[],
  width: number,
): Line[] {
  const widths = columns.map(({ head }, i) =>
    Math.max(head.length, ...rows.map((row) => lineWidth([row[i] ?? '']))),
  );
  const kept = new Set(columns.keys());
  const total = () => [...kept].reduce((sum, i) => sum + widths[i]!, 0) + GAP.length * (kept.size - 1);
  const order = [...kept]
    .filter((i) => columns[i]!.drop !== undefined)
    .toSorted((a, b) => columns[b]!.drop! - columns[a]!.drop!);
  for (const i of order) if (total() > width) kept.delete(i);
  const cells = (row: readonly Segment[]): Line =>
    [...kept].flatMap((i, place) => {
      const cell = row[i] ?? '';
      const space = ' '.repeat(Math.max(0, widths[i]! - lineWidth([cell])));
      const isLast = place === kept.size - 1;
      const padded = columns[i]!.left ? [cell, ...(isLast ? [] : [space])] : [space, cell];
      return isLast ? padded : [...padded, GAP];
    });
  const head = columns.map((column): Segment => ({ text: column.head, style: 'bold' }));
  return [cells(head), ...rows.map(cells)];
}
