import { UsageError } from '../errors.js';
import { suggestion } from './nearest.js';

/**
 * Splits `fibre,dev=eth1,via=192.0.2.1` into its keys; the first word becomes `name`. @param kind its name in errors
 */
function splitRecord(kind: string, text: string): Record<string, string> {
  const [name = '', ...pairs] = text.split(',');
  const record = bareRecord({ name });
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`${kind} "${name}": "${pair}" is not key=value`);
    const key = pair.slice(0, at);
    if (key in record) throw new UsageError(`${kind} "${name}": ${key} is given twice`);
    record[key] = pair.slice(at + 1);
  }
  return record;
}

/** A record without a prototype, so that `constructor` and `__proto__` are keys like any other. */
export function bareRecord(entries: Readonly<Record<string, string>>): Record<string, string> {
  return Object.assign(Object.create(null), entries);
}

/** Reads one item of a list option: a flag's text, or the map that stands in a file. */
export function toRecord(kind: string, item: unknown): Readonly<Record<string, unknown>> {
  if (typeof item === 'string') return splitRecord(kind, item);
  if (typeof item === 'object' && item !== null && !Array.isArray(item))
    return item as Record<string, unknown>;
  throw new UsageError(
    `a ${kind} must be "NAME,key=value,..." or a map of keys, not ${JSON.stringify(item)}`,
  );
}

/** The value of a key as text; undefined where it is absent. */
export function textOf(record: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = record[key];
  return value === undefined || value === null ? undefined : String(value);
}

/** @throws UsageError for a key that the item does not have */
export function rejectUnknownKeys(
  where: string,
  record: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): void {
  for (const key of Object.keys(record)) {
    if (!keys.includes(key)) throw new UsageError(`${where}: unknown key "${key}"${suggestion(key, keys)}`);
  }
}

/** Joins the fields of a hash by `+` in a flag, where the commas between them would begin other keys. */
export function joinHash(item: unknown): unknown {
  if (typeof item !== 'string') return item;
  return item.replace(/(?<=,strategy=)hash:[^=]*(?=,[^,=]+=|$)/, (hash) => hash.replaceAll(',', '+'));
}
