import { UsageError } from '../errors.js';

/** Reads a decimal whole number in min..max. @throws UsageError that names `what` */
export function parseInteger(what: string, text: string, min: number, max: number): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const range = max >= Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`;
  throw new UsageError(`${what} "${text}" must be a whole number, ${range}`);
}

/** Reads a 32-bit mask such as `0xff00`, or a decimal one. @throws UsageError */
export function parseMask(text: string): number {
  const value = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
  if (value <= 0xffff_ffff) return value;
  throw new UsageError(`mask "${text}" is not a 32-bit number; use for example 0xff`);
}
