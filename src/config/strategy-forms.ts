import { HASH_FIELDS } from '../core/flow-hash.js';
import { UsageError } from '../errors.js';
import { suggestion } from './nearest.js';

/**
 * Checks the forms that a user's strategy declares beside `pick`.
 * @param path how the user names the file
 * @throws UsageError
 */
export function checkForms(
  path: string,
  strategy: { readonly sequence?: unknown; readonly table?: unknown },
): void {
  const { sequence, table } = strategy;
  if (sequence !== undefined && table !== undefined) {
    throw new UsageError(
      `strategy file ${path} declares a sequence and a table; declare the one that pick is`,
    );
  }
  if (sequence !== undefined && typeof partOf(sequence, 'turns') !== 'function') {
    throw new UsageError(`strategy file ${path}: its sequence must have a function turns(wans)`);
  }
  const period = partOf(sequence, 'period');
  if (period !== undefined && typeof period !== 'function') {
    throw new UsageError(`strategy file ${path}: the period of its sequence must be a function period(wans)`);
  }
  if (table === undefined) return;
  if (typeof partOf(table, 'at') !== 'function') {
    throw new UsageError(`strategy file ${path}: its table must have a function at(place, wans, places)`);
  }
  checkFields(path, partOf(table, 'fields'));
}

function checkFields(path: string, fields: unknown): void {
  const known = HASH_FIELDS.map((field) => `"${field}"`).join(', ');
  if (!Array.isArray(fields) || fields.length === 0) {
    throw new UsageError(`strategy file ${path}: the fields of its table must be a list, of ${known}`);
  }
  const stranger = fields.find((field) => !HASH_FIELDS.includes(field));
  if (stranger === undefined) return;
  throw new UsageError(
    `strategy file ${path}: "${stranger}" is not a field of a packet${suggestion(String(stranger), HASH_FIELDS)}`,
  );
}

function partOf(form: unknown, name: string): unknown {
  return (form as Record<string, unknown> | null | undefined)?.[name];
}
