import { UsageError } from '../../errors.js';

/** The values of one key of a rule: any of them will do, or with `not` none of them. Never empty. */
export interface Values<T> {
  readonly any: readonly T[];
  readonly not?: true;
}

/**
 * Splits what is given for a key: a list of a file, or a text whose parts are joined by `+`. A `!` before the first
 * stands for all of them.
 * @param where the beginning of error messages
 * @throws UsageError
 */
export function splitValues(where: string, given: unknown): Values<string> {
  const items = (Array.isArray(given) ? given : String(given).split('+')).map((one) => String(one).trim());
  const marked = items.filter((item) => item.startsWith('!'));
  // In a text, the mark before the first part stands for all.
  if (marked.length > 0 && marked.length < items.length && (Array.isArray(given) || marked[0] !== items[0])) {
    throw new UsageError(`${where}: "!" stands for the whole list; put it before the first value alone`);
  }
  const any = items.map((item) => item.replace(/^!\s*/, ''));
  if (any.some((item) => item === '')) throw new UsageError(`${where} has an empty value; leave it out`);
  const twin = any.find((item, i) => any.indexOf(item) !== i);
  if (twin !== undefined) throw new UsageError(`${where}: "${twin}" is given twice; give it once`);
  return marked.length > 0 ? { any, not: true } : { any };
}

/** Reads each of the values. */
export function mapValues<T>({ any, not }: Values<string>, read: (text: string) => T): Values<T> {
  return { any: any.map(read), ...(not && { not }) };
}

/** The values as a flag would have them. */
export function joinValues({ any, not }: Values<string | number>): string {
  return `${not ? '!' : ''}${any.join('+')}`;
}
