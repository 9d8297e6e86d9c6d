import { UsageError, WanmarkError } from '../errors.js';
import { CHANGE_KEYS } from './keys.js';
import { nearest, suggestion } from './nearest.js';
import { parseInteger } from './number.js';
import { bareRecord } from './record.js';
import { MAX_WEIGHT } from './wan.js';

/** A request of `wanmark set` to the running daemon; anything left out stays as it is. */
export interface Change {
  /** A WAN's or backend's name; only the daemon knows whether it has such a WAN. */
  readonly wan: string;
  /** A weight, 0..65535, or `auto` for the configured one. */
  readonly weight?: number | 'auto';
  /** `auto` goes by what checks and devices say. */
  readonly state?: 'down' | 'auto';
}

/** A WAN that the daemon does not have. */
export class UnknownWan extends WanmarkError {
  /** @param what is missing, such as `WAN` @param names what there is */
  constructor(name: string, names: readonly string[], what = 'WAN') {
    const near = nearest(name, names);
    const hint = near === undefined ? '' : `did you mean "${near}"? `;
    const there = names.length === 0 ? 'this daemon has none' : `there are ${names.join(', ')}`;
    super('UNKNOWN_WAN', `there is no ${what} "${name}"; ${hint}${there}`, 2);
  }
}

const KEYS = Object.keys(CHANGE_KEYS);
const STATES = ['down', 'auto'] as const;

/** Reads `key=value` words. @throws UsageError */
export function changeOfWords(wan: string, words: readonly string[]): Change {
  const record = bareRecord({ wan });
  for (const word of words) {
    const [key = '', ...value] = word.split('=');
    if (value.length === 0) {
      throw new UsageError(`"${word}" is not key=value; use for example weight=0 or state=down`);
    }
    rejectUnknown(key);
    if (key in record) throw new UsageError(`${key} is given twice; give it once`);
    record[key] = value.join('=');
  }
  return parseChange(record);
}

/** Reads an object with `wan` and the keys; numbers may be text. @throws UsageError */
export function parseChange(raw: unknown): Change {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    throw new UsageError('what is to be set must be an object, for example {"wan": "fibre", "weight": 0}');
  }
  const { wan, ...settings } = raw as Record<string, unknown>;
  if (typeof wan !== 'string') throw new UsageError('no WAN is named; add "wan", for example "fibre"');
  for (const key of Object.keys(settings)) rejectUnknown(key);
  const { weight, state } = settings;
  if (weight === undefined && state === undefined) {
    throw new UsageError(`nothing to set for ${wan}; add for example weight=0 or state=down`);
  }
  return {
    wan,
    ...(weight === undefined ? {} : { weight: parseWeight(weight) }),
    ...(state === undefined ? {} : { state: parseState(state) }),
  };
}

function rejectUnknown(key: string): void {
  if (!KEYS.includes(key)) throw new UsageError(`unknown key "${key}"${suggestion(key, KEYS)}`);
}

function parseWeight(value: unknown): number | 'auto' {
  const text = textOf(value);
  if (text === 'auto') return text;
  if (/^-?\d+$/.test(text)) return parseInteger('weight', text, 0, MAX_WEIGHT);
  throw new UsageError(`weight "${text}" must be a whole number, 0 to ${MAX_WEIGHT}, or auto`);
}

function parseState(value: unknown): 'down' | 'auto' {
  const text = textOf(value);
  const state = STATES.find((one) => one === text);
  if (state === undefined) throw new UsageError(`state "${text}" must be down or auto`);
  return state;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
