import { UsageError } from '../errors.js';

/** One of several values of a parameter; the first where it is left out. @throws UsageError */
export function choice<T extends string>(
  query: URLSearchParams,
  name: string,
  values: readonly [T, ...T[]],
): T {
  const given = query.get(name);
  const value = given === null ? values[0] : values.find((one) => one === given);
  if (value === undefined) throw new UsageError(`${name} must be ${values.join(' or ')}`);
  return value;
}

/** @throws UsageError for a parameter that is none of these */
export function rejectOthers(query: URLSearchParams, known: readonly string[]): void {
  const other = [...query.keys()].find((key) => !known.includes(key));
  if (other === undefined) return;
  throw new UsageError(`unknown parameter "${other.slice(0, 40)}"; there are ${known.join(', ')}`);
}
