import type { Sticky, StickyBy } from '../core/stickiness.js';
import { UsageError } from '../errors.js';
import { suggestion } from './nearest.js';
import { rejectUnknownKeys, textOf } from './record.js';

const WHO: readonly StickyBy[] = ['src', 'src+dst'];
/** The time of mwan3's sticky rules. */
export const DEFAULT_FOR = '10m';
const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const MOST_SECONDS = 30 * UNITS.d;
const MOST_BOUND = 100;

/**
 * Reads `src:for=1h:bound=1.25`, or a map of `by` and the same keys; undefined where nothing is given.
 * @param where what it belongs to, for errors
 * @throws UsageError
 */
export function parseSticky(where: string, given: unknown): Sticky | undefined {
  if (given === undefined || given === null) return undefined;
  const record = recordOf(where, given);
  rejectUnknownKeys(`${where}: sticky`, record, ['by', 'for', 'bound']);
  const by = textOf(record, 'by') ?? '';
  const who = WHO.find((one) => one === by);
  if (who === undefined) throw new UsageError(`${where}: unknown sticky "${by}"${suggestion(by, WHO)}`);
  return Object.freeze({
    by: who,
    forMs: 1000 * parseSeconds(where, textOf(record, 'for') ?? DEFAULT_FOR),
    bound: parseBound(where, textOf(record, 'bound')),
  });
}

function recordOf(where: string, given: unknown): Readonly<Record<string, unknown>> {
  if (Array.isArray(given))
    throw new UsageError(`${where}: sticky is given ${given.length} times; give it once`);
  if (typeof given === 'object') return given as Record<string, unknown>;
  const [by, ...pairs] = String(given).split(':');
  const entries = pairs.map((pair) => {
    const [key = '', value] = pair.split('=', 2);
    if (value === undefined)
      throw new UsageError(`${where}: "${pair}" of sticky is not key=value; write for example src:for=1h`);
    return [key, value];
  });
  return Object.fromEntries([['by', by], ...entries]);
}

function parseSeconds(where: string, text: string): number {
  const [, number, unit = 's'] = /^(\d{1,7})([smhd])?$/.exec(text) ?? [];
  const seconds = Number(number) * UNITS[unit as keyof typeof UNITS];
  if (seconds >= 1 && seconds <= MOST_SECONDS) return seconds;
  throw new UsageError(
    `${where}: sticky for "${text}" must be a time from 1s to 30d, such as 90s, 10m or 1h`,
  );
}

function parseBound(where: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bound = /^\d{1,3}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (bound > 1 && bound <= MOST_BOUND) return bound;
  throw new UsageError(
    `${where}: sticky bound "${text}" must be a number above 1, ${MOST_BOUND} at most, such as 1.25`,
  );
}

/** The time as it is written, in the largest unit that it is a multiple of. */
export function durationText(seconds: number): string {
  const [unit, length] = Object.entries(UNITS).findLast(([, length]) => seconds % length === 0)!;
  return `${seconds / length}${unit}`;
}

/** The value as a flag has it. */
export function stickyText({ by, forMs, bound }: Sticky): string {
  return [by, `for=${durationText(forMs / 1000)}`, ...(bound === undefined ? [] : [`bound=${bound}`])].join(
    ':',
  );
}
