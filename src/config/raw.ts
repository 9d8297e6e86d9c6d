import { UsageError } from '../errors.js';
import { suggestion } from './nearest.js';
import { parseInteger } from './number.js';
import type { Option } from './option.js';
import { OPTIONS, type RawConfig } from './options.js';

/** @throws UsageError for a key that is not an option's name */
export function rejectUnknown(raw: RawConfig): void {
  for (const key of Object.keys(raw)) {
    if (!Object.hasOwn(OPTIONS, key))
      throw new UsageError(`unknown option "${key}"${suggestion(key, Object.keys(OPTIONS))}`);
  }
}

/** What is given for an option, or else its default. @throws UsageError */
export function readText(raw: RawConfig, key: string): string | undefined {
  const value = raw[key] ?? (OPTIONS[key] as Option).default;
  if (value === undefined) return undefined;
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw new UsageError(
    Array.isArray(value)
      ? `${key} is given ${value.length} times; give it once`
      : `${key} must have one value`,
  );
}

/** The whole number of an option that has a default and a range. @throws UsageError */
export function readInteger(raw: RawConfig, key: string): number {
  return parseInteger(key, readText(raw, key)!, ...(OPTIONS[key] as Option).range!);
}

/** The value of an option that has a default, which must be one of these. @throws UsageError */
export function readChoice<T extends string>(raw: RawConfig, key: string, choices: readonly T[]): T {
  const value = readText(raw, key)!;
  const choice = choices.find((one) => one === value);
  if (choice === undefined) throw new UsageError(`unknown ${key} "${value}"${suggestion(value, choices)}`);
  return choice;
}

/** All values of an option that can be repeated; empty where it is not given. */
export function readList(raw: RawConfig, key: string): readonly unknown[] {
  const value = raw[key];
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** @throws UsageError */
export function readSwitch(raw: RawConfig, key: string): boolean {
  const value = raw[key] ?? false;
  if (typeof value === 'boolean') return value;
  throw new UsageError(`${key} must be true or false`);
}
