import { UsageError } from '../../errors.js';
import { suggestion } from '../nearest.js';

/** When a rule holds: on which days, and from when to when. */
export interface TimeSpan {
  /** 0 is Sunday. Never empty. A night belongs to the day on which it begins. */
  readonly days: readonly number[];
  /** Minutes after midnight, 0 to 1439. */
  readonly from: number;
  /** Minutes after midnight, 1 to 1440; not above `from` where it is on the next day. */
  readonly to: number;
  /** An IANA time zone, `utc`, or `local` for that of the machine. */
  readonly zone: string;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const FORM = 'use for example "mon-fri 08:00-18:00", "sat+sun", or "22:00-06:00 utc"';

/**
 * Reads `mon-fri 08:00-18:00 Europe/Berlin`, of which any part may be missing; a file may give a map of `days`, `hours`
 * and `zone`.
 * @throws UsageError
 */
export function parseTime(where: string, given: unknown): TimeSpan {
  const words = wordsOf(where, given);
  const take = (fits: RegExp): string | undefined => {
    const at = words.findIndex((word) => fits.test(word));
    return at < 0 ? undefined : words.splice(at, 1)[0];
  };
  const hours = take(/^\d{1,2}:/);
  const days = take(new RegExp(`^(${DAYS.join('|')})`, 'i'));
  const zone = words.shift() ?? 'local';
  if (words.length > 0) throw new UsageError(`${where}: "${words[0]}" is one word too many; ${FORM}`);
  if (hours === undefined && days === undefined)
    throw new UsageError(`${where} names no days and no hours; ${FORM}`);
  return {
    days: days === undefined ? [0, 1, 2, 3, 4, 5, 6] : parseDays(where, days),
    ...parseHours(where, hours ?? '00:00-24:00'),
    zone: parseZone(where, zone),
  };
}

function wordsOf(where: string, given: unknown): string[] {
  if (typeof given !== 'object' || given === null) return String(given).trim().split(/\s+/);
  const map = Array.isArray(given) ? { days: given } : (given as Record<string, unknown>);
  const known = ['days', 'hours', 'zone'];
  const stranger = Object.keys(map).find((key) => !known.includes(key));
  if (stranger !== undefined)
    throw new UsageError(`${where}: unknown key "${stranger}"${suggestion(stranger, known)}`);
  return known.flatMap((key) => {
    const value = map[key];
    if (value === undefined || value === null) return [];
    return [Array.isArray(value) ? value.join('+') : String(value).trim()];
  });
}

function parseDays(where: string, text: string): number[] {
  const wrong = new UsageError(`${where}: "${text}" is not a list of days; ${FORM}`);
  const number = (name: string) => {
    const day = DAYS.indexOf(name.slice(0, 3).toLowerCase());
    if (day < 0) throw wrong;
    return day;
  };
  const days = text.split('+').flatMap((part) => {
    const [first = '', last = first, ...more] = part.split('-');
    if (more.length > 0) throw wrong;
    const from = number(first);
    return Array.from({ length: ((number(last) - from + 7) % 7) + 1 }, (_, i) => (from + i) % 7);
  });
  return [...new Set(days)].toSorted((a, b) => a - b);
}

function parseHours(where: string, text: string): Pick<TimeSpan, 'from' | 'to'> {
  const match = /^(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)$/.exec(text);
  const [, a, b, c, d] = (match ?? []).map(Number);
  const from = a! * 60 + b!;
  const to = c! * 60 + d!;
  if (match === null || b! > 59 || d! > 59 || from >= 1440 || to > 1440 || from === to)
    throw new UsageError(`${where}: "${text}" must be hours from-to; ${FORM}`);
  return { from, to: to === 0 ? 1440 : to };
}

function parseZone(where: string, zone: string): string {
  if (zone === 'local' || zone === 'utc') return zone;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch (error) {
    throw new UsageError(
      `${where}: "${zone}" is not a time zone; use utc, local or for example Europe/Berlin`,
      {
        cause: error,
      },
    );
  }
}

/** The span in words that {@link parseTime} reads. */
export function timeText({ days, from, to, zone }: TimeSpan): string {
  const clock = (minutes: number) =>
    `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
  return [
    ...(days.length === 7 ? [] : [days.map((day) => DAYS[day]).join('+')]),
    `${clock(from)}-${clock(to)}`,
    ...(zone === 'local' ? [] : [zone]),
  ].join(' ');
}
