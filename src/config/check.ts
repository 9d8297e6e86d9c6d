import { isAbsolute } from 'node:path';
import { FAMILIES } from '../core/family.js';
import { UsageError } from '../errors.js';
import { type CheckKind, isDnsName, KINDS, type Targets, targetFamilies } from './check-target.js';
import { CHECK_KEYS } from './keys.js';
import { suggestion } from './nearest.js';
import { parseInteger } from './number.js';
import { bareRecord } from './record.js';

/** Two thresholds: bad above `down`, good again below `up`; between them nothing changes. */
export interface Hysteresis {
  readonly down: number;
  readonly up: number;
}

/** One configured check of a WAN or a backend. */
export interface CheckConfig {
  /**
   * Set where nobody asked for the check, so that silence from the start says nothing: many hosts answer no pings.
   */
  readonly onceAnswered?: true;
  /** Name of the WAN, or `all`; a backend's name as a target. */
  readonly wan: string;
  readonly kind: CheckKind;
  /** The targets of each family. A family without targets is not judged by this check. */
  readonly targets: Targets;
  readonly intervalMs: number;
  /** In place of `intervalMs` after a round that failed. */
  readonly failIntervalMs: number;
  /** In place of `intervalMs` after a round that passed while the check calls the WAN down. */
  readonly recoverIntervalMs: number;
  readonly timeoutMs: number;
  /** Probes to each target in a round, 1 to 20; a target has answered when one of them was answered. */
  readonly count: number;
  /** Rounds in a row that must fail before the WAN is down, 1 or more. */
  readonly fall: number;
  /** Rounds in a row that must pass before it is up again. */
  readonly rise: number;
  /** How many targets of a family must answer for a round to pass. */
  readonly quorum: number;
  /** Per cent of lost probes; undefined when loss is not judged. */
  readonly loss: Hysteresis | undefined;
  /** Milliseconds of the median answer; undefined when latency is not judged. */
  readonly latency: Hysteresis | undefined;
  /** The HTTP status that counts as success. */
  readonly status: number | 'any';
  /** The name that a DNS server is asked for. */
  readonly name: string;
}

/** Keys that a kind does not take. A script, for example, has no round trip to measure. */
const FOREIGN_KEYS: Readonly<Record<CheckKind, readonly string[]>> = {
  ping: ['status', 'name'],
  tcp: ['status', 'name'],
  http: ['name'],
  dns: ['status'],
  script: ['status', 'name', 'latency', 'count'],
};

/** The default timeout in seconds. Fetching a page takes several round trips, and a script has to start. */
const DEFAULT_TIMEOUT: Readonly<Record<CheckKind, string>> = {
  ping: CHECK_KEYS.timeout.default,
  tcp: CHECK_KEYS.timeout.default,
  dns: CHECK_KEYS.timeout.default,
  http: '3',
  script: '5',
};
const MOST_ROUNDS = 1000;
const MOST_PROBES = 20;

/**
 * Reads `fibre=ping,to=1.1.1.1+9.9.9.9,interval=2`, or a map of the same keys with `wan` and `check`. @throws
 * UsageError
 */
export function parseCheck(item: unknown): CheckConfig {
  const record = checkRecord(item);
  const text = (key: string): string | undefined => {
    const value = record[key];
    if (value === undefined || value === null) return undefined;
    return Array.isArray(value) ? value.map(String).join('+') : String(value);
  };
  const wan = text('wan') ?? '';
  if (wan === '') {
    throw new UsageError(
      'a check needs its WAN: write NAME=ping,to=192.0.2.1, or all=ping,... for every WAN',
    );
  }
  const where = `check of "${wan}"`;
  const kind = (text('check') ?? '') as CheckKind;
  if (!KINDS.includes(kind)) {
    throw new UsageError(`${where}: unknown kind "${kind}"${suggestion(kind, KINDS)}`);
  }
  const known = Object.keys(CHECK_KEYS).filter((key) => !FOREIGN_KEYS[kind].includes(key));
  for (const key of Object.keys(record)) {
    if (!known.includes(key)) throw new UsageError(`${where}: unknown key "${key}"${suggestion(key, known)}`);
  }
  const count = (key: 'fall' | 'rise' | 'quorum' | 'count', most = MOST_ROUNDS) =>
    parseInteger(`${where}: ${key}`, text(key) ?? CHECK_KEYS[key].default, 1, most);
  const seconds = (key: string, standard: string) =>
    parseSeconds(where, key, text(key) ?? standard, 0.2, 3600);
  const interval = text('interval') ?? CHECK_KEYS.interval.default;
  const status = text('status') ?? CHECK_KEYS.status.default;
  const targets = parseTargets(where, kind, text('to'), text('family'));
  const quorum = count('quorum');
  for (const family of FAMILIES) {
    const { length } = targets[family];
    if (length === 0 || quorum <= length) continue;
    const those = length === 1 ? 'is only 1 target' : `are only ${length} targets`;
    throw new UsageError(
      `${where}: quorum ${quorum}, but there ${those} for IPv${family}; add some to "to="`,
    );
  }
  const name = text('name') ?? CHECK_KEYS.name.default;
  if (!isDnsName(name)) throw new UsageError(`${where}: "${name}" is not a DNS name; use for example name=.`);
  return Object.freeze({
    wan,
    kind,
    targets,
    intervalMs: seconds('interval', interval),
    failIntervalMs: seconds('fail-interval', interval),
    recoverIntervalMs: seconds('recover-interval', interval),
    timeoutMs: parseSeconds(where, 'timeout', text('timeout') ?? DEFAULT_TIMEOUT[kind], 0.05, 60),
    count: count('count', MOST_PROBES),
    fall: count('fall'),
    rise: count('rise'),
    quorum,
    loss: parseHysteresis(where, 'loss', text('loss'), 100, '20:10'),
    latency: parseHysteresis(where, 'latency', text('latency'), 60_000, '300:150'),
    status: status === 'any' ? status : parseInteger(`${where}: status`, status, 100, 599),
    name,
  });
}

/** A check as its keys, with what it is for under `wan`. @throws UsageError */
export function checkRecord(item: unknown): Readonly<Record<string, unknown>> {
  if (typeof item === 'object' && item !== null && !Array.isArray(item))
    return item as Record<string, unknown>;
  if (typeof item !== 'string') {
    throw new UsageError(
      `a check must be "WAN=KIND,key=value,..." or a map of keys, not ${JSON.stringify(item)}`,
    );
  }
  const [head = '', ...pairs] = item.split(',');
  const at = head.indexOf('=');
  if (at < 1) {
    throw new UsageError(
      `check "${head}" does not begin with WAN=KIND; write for example fibre=ping,to=192.0.2.1`,
    );
  }
  const record = bareRecord({ wan: head.slice(0, at), check: head.slice(at + 1) });
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new UsageError(`check of "${record.wan}": "${pair}" is not key=value`);
    const key = pair.slice(0, equals);
    if (key in record)
      throw new UsageError(`check of "${record.wan}": ${key} is given twice; join targets by "+"`);
    record[key] = pair.slice(equals + 1);
  }
  return record;
}

const EXAMPLES: Readonly<Record<CheckKind, string>> = {
  ping: 'to=1.1.1.1+9.9.9.9',
  tcp: 'to=192.0.2.1:443+[2001:db8::1]:443',
  http: 'to=http://example.net/generate_204',
  dns: 'to=1.1.1.1+9.9.9.9',
  script: 'to=/usr/local/bin/check-wan',
};

function parseTargets(
  where: string,
  kind: CheckKind,
  to: string | undefined,
  family: string | undefined,
): Targets {
  if (to === undefined || to === '') {
    throw new UsageError(
      `${where}: ${kind} needs targets far behind the gateway; add for example ${EXAMPLES[kind]}`,
    );
  }
  if (family !== undefined && family !== '4' && family !== '6') {
    throw new UsageError(`${where}: family "${family}" must be 4 or 6, or left out for both`);
  }
  const targets: { 4: string[]; 6: string[] } = { 4: [], 6: [] };
  // A URL or a path may contain a "+".
  const list = kind === 'script' ? [to] : to.split(kind === 'http' ? /\+(?=https?:\/\/)/ : '+');
  for (const target of list) {
    const families = targetFamilies(kind, target);
    if (families.length === 0 || (kind === 'script' && !isAbsolute(target))) {
      throw new UsageError(
        `${where}: "${target}" is not a target of ${kind}; write for example ${EXAMPLES[kind]}`,
      );
    }
    const wanted = families.filter((one) => family === undefined || String(one) === family);
    if (wanted.length === 0) {
      throw new UsageError(
        `${where}: "${target}" is not an IPv${family} target; leave out family=${family} or the target`,
      );
    }
    for (const one of wanted) {
      const twin = targets[one].includes(target);
      if (twin) throw new UsageError(`${where}: target "${target}" is given twice`);
      targets[one].push(target);
    }
  }
  return Object.freeze(targets);
}

function parseSeconds(where: string, key: string, text: string, min: number, max: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return Math.round(value * 1000);
  throw new UsageError(`${where}: ${key} "${text}" must be seconds, ${min} to ${max}`);
}

function parseHysteresis(
  where: string,
  key: string,
  text: string | undefined,
  max: number,
  example: string,
): Hysteresis | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)$/.exec(text);
  const down = Number(match?.[1] ?? Number.NaN);
  const up = Number(match?.[2] ?? Number.NaN);
  if (up <= down && down <= max && (down > 0 || up > 0)) return Object.freeze({ down, up });
  throw new UsageError(
    `${where}: ${key} "${text}" must be DOWN:UP with UP not above DOWN, at most ${max}; for example ${key}=${example}`,
  );
}
