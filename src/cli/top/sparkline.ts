const BLOCKS = '▁▂▃▄▅▆▇█';
/** For terminals whose character set has no blocks. */
const ASCII = '_.-=+*#@';

/** Whether a locale's characters are those of UTF-8: the first of these that is set says so (locale(7)). */
export function hasUtf8({ LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv): boolean {
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}

/**
 * A row of bars, each as high as its value is to the highest: the last `width` of the values, or all of them spread over as many columns
 * as there are. A value that is not known is a space.
 */
export function sparkline(values: readonly (number | null)[], width: number, utf8: boolean): string {
  const levels = utf8 ? BLOCKS : ASCII;
  const shown = grouped(values, Math.max(0, width));
  const most = Math.max(1, ...shown.map((value) => value ?? 0));
  return shown
    .map((value) => (value === null ? ' ' : levels[Math.min(7, Math.floor((8 * value) / most))]!))
    .join('');
}

/** As many averages as there is room for, of neighbours alike. */
function grouped(values: readonly (number | null)[], width: number): (number | null)[] {
  if (width === 0) return [];
  const size = Math.ceil(values.length / width);
  const groups: (number | null)[] = [];
  for (let end = values.length; end > 0; end -= size) {
    const known = values.slice(Math.max(0, end - size), end).filter((value) => value !== null);
    groups.unshift(known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length);
  }
  return groups;
}
