import { UsageError } from '../errors.js';

const SECONDS: Readonly<Record<string, number>> = { s: 1, min: 60, m: 60, h: 3600, d: 86_400 };

/**
 * A moment as `--since` gives it: how long ago (`90s`, `10min`, `2h`, `3d`), a time of today (`14:30`), or a date
 * (`2026-11-30`, `2026-11-30T14:30`), in the time zone of this machine.
 * @returns milliseconds of the epoch
 * @throws UsageError
 */
export function parseSince(text: string, now: Date): number {
  const [, amount, unit] = /^(\d{1,6})\s*(s|min|m|h|d)$/.exec(text) ?? [];
  if (amount !== undefined) return now.getTime() - Number(amount) * SECONDS[unit!]! * 1000;
  const [, hours, minutes] = /^(\d{1,2}):(\d{2})$/.exec(text) ?? [];
  if (hours !== undefined && Number(hours) < 24 && Number(minutes) < 60)
    return new Date(now).setHours(Number(hours), Number(minutes), 0, 0);
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return dateOf(`${text}T00:00`, text);
  if (/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(text)) return dateOf(text.replace(' ', 'T'), text);
  throw wrong(text);
}

function dateOf(iso: string, text: string): number {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) throw wrong(text);
  return ms;
}

function wrong(text: string): UsageError {
  return new UsageError(
    `--since: "${text}" is not a time; use for example 10min, 2h, 3d, 14:30 or 2026-11-30T14:30`,
  );
}
