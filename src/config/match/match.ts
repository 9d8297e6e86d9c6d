import type { Family } from '../../core/family.js';
import { hex } from '../../core/mark.js';
import type { PortRange } from '../../core/service.js';
import { UsageError } from '../../errors.js';
import { DEVICE } from '../wan.js';
import { type Addresses, parseAddresses } from './address.js';
import { areAllPorts, PORT_PROTOCOLS, parsePortValue, parseProtocol } from './ports.js';
import { parseTime, type TimeSpan, timeText } from './time.js';
import { parseUser, type UserRange } from './users.js';
import { joinValues, mapValues, splitValues, type Values } from './values.js';

/** The connections that a rule is for. All that is given must hold. */
export interface RuleMatch {
  /** The family that the rule is for; undefined for both. */
  readonly family?: Family;
  readonly from?: Values<Addresses>;
  readonly to?: Values<Addresses>;
  /** Numbers of IP protocols. */
  readonly proto?: Values<number>;
  /** Only with protocols that have ports. */
  readonly sport?: Values<PortRange>;
  readonly dport?: Values<PortRange>;
  /** The devices that the connection comes in by; a `+` at the end stands for any characters. */
  readonly in?: Values<string>;
  readonly mac?: Values<string>;
  /** Names of sets, one of which has the destination. */
  readonly set?: Values<string>;
  readonly dscp?: Values<number>;
  /** Bits of the packet's mark that are not ours. */
  readonly fwmark?: Values<{ readonly value: number; readonly mask: number }>;
  readonly time?: TimeSpan;
  /** True: only the router's own connections; false: only those of others. */
  readonly own?: boolean;
  /** The users whose programs on this router make the connection. */
  readonly uid?: Values<UserRange>;
}

/** Per-hop behaviours by name (RFC 2474, 2597, 3246). */
const DSCP_NAMES: ReadonlyMap<string, number> = new Map([
  ...Array.from({ length: 8 }, (_, i) => [`cs${i}`, 8 * i] as const),
  ...[1, 2, 3, 4].flatMap((c) => [1, 2, 3].map((d) => [`af${c}${d}`, 8 * c + 2 * d] as const)),
  ['ef', 46],
  ['va', 44],
  ['le', 1],
]);

/**
 * Reads the keys of a rule that say which connections it is for.
 * @param where the beginning of error messages
 * @param record keys and values; only keys that a rule has
 * @param ours the bits of the mark that are wanmark's
 * @throws UsageError
 */
export function parseMatch(
  where: string,
  record: Readonly<Record<string, unknown>>,
  ours: number,
): RuleMatch {
  const has = (key: string) => record[key] !== undefined && record[key] !== null;
  const list = <T>(key: string, read: (at: string, text: string) => T) =>
    has(key)
      ? {
          [key]: mapValues(splitValues(`${where}: ${key}`, record[key]), (text) =>
            read(`${where}: ${key}`, text),
          ),
        }
      : {};
  const match: RuleMatch = {
    ...list('from', parseAddresses),
    ...list('to', parseAddresses),
    ...list('proto', parseProtocol),
    ...list('sport', parsePortValue),
    ...list('dport', parsePortValue),
    ...(has('in') ? { in: parseDevices(`${where}: in`, record.in) } : {}),
    ...list('mac', parseMac),
    ...list('set', (_, name) => name),
    ...list('dscp', parseDscp),
    ...list('fwmark', (at, text) => parseForeignMark(at, text, ours)),
    ...(has('time') ? { time: parseTime(`${where}: time`, record.time) } : {}),
    ...(has('own') ? { own: parseSwitch(`${where}: own`, record.own) } : {}),
    ...list('uid', parseUser),
  };
  const family = familyOf(where, match, has('family') ? String(record.family) : undefined);
  rejectContradictions(where, match);
  return Object.freeze(family === undefined ? match : { ...match, family });
}

/** A `+` joins devices in a text, and at the end of a name stands for any characters: `wg++eth1` is `wg+` and `eth1`. */
function parseDevices(where: string, given: unknown): Values<string> {
  return mapValues(splitValues(where, Array.isArray(given) ? given : devicesOf(String(given))), (name) => {
    // nft has no word for it.
    if (name === '+') throw new UsageError(`${where}: "+" is every device; use own=false`);
    if (DEVICE.test(name) && !name.slice(0, -1).includes('+')) return name;
    throw new UsageError(`${where}: "${name}" is not a device name, or the beginning of one and a "+"`);
  });
}

/** The devices of a text: a `!` before the first is before each, as in the other keys. */
function devicesOf(text: string): string[] {
  const [first = '', ...others] = text
    .replace(/\+(?=\+|$)/g, '\0')
    .split('+')
    .map((one) => one.replaceAll('\0', '+'));
  const mark = first.startsWith('!') ? '!' : '';
  return [first, ...others.map((one) => (one.startsWith('!') ? one : mark + one))];
}

function parseMac(where: string, text: string): string {
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return text.toLowerCase();
  throw new UsageError(`${where}: "${text}" is not a MAC address; use for example 02:00:5e:10:00:01`);
}

function parseDscp(where: string, text: string): number {
  const named = DSCP_NAMES.get(text.toLowerCase());
  if (named !== undefined) return named;
  const value = /^(\d{1,2}|0x[0-9a-f]{1,2})$/i.test(text) ? Number(text) : Number.NaN;
  if (value <= 63) return value;
  throw new UsageError(`${where}: "${text}" must be 0 to 63, or a name such as ef, cs3 or af41`);
}

function parseForeignMark(where: string, text: string, ours: number) {
  const [value, mask] = text
    .split('/')
    .map((part) => (/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(part) ? Number(part) : -1));
  if (value === undefined || value < 0 || value > 0xffff_ffff || (mask ?? 0) < 0 || (mask ?? 0) > 0xffff_ffff)
    throw new UsageError(`${where}: "${text}" must be VALUE/MASK, for example 0x10/0xf0`);
  if (mask === undefined) {
    throw new UsageError(
      `${where}: "${text}" needs the bits that it means; write ${text}/0x... without ${hex(ours)}`,
    );
  }
  if ((mask & ours) !== 0)
    throw new UsageError(
      `${where}: "${text}" asks for bits of ${hex(ours)}, which are wanmark's; leave them out`,
    );
  if (mask === 0 || (value & ~mask) !== 0) throw new UsageError(`${where}: "${text}" would never match`);
  return { value: value >>> 0, mask: mask >>> 0 };
}

function parseSwitch(where: string, given: unknown): boolean {
  const text = String(given);
  if (['true', 'yes', 'on'].includes(text)) return true;
  if (['false', 'no', 'off'].includes(text)) return false;
  throw new UsageError(`${where} must be true or false`);
}

/** The only family that the rule can be for. */
function familyOf(where: string, match: RuleMatch, given: string | undefined): Family | undefined {
  if (given !== undefined && given !== '4' && given !== '6')
    throw new UsageError(`${where}: family "${given}" must be 4 or 6, or left out for both`);
  const found: { readonly key: string; readonly family: Family }[] =
    given === undefined ? [] : [{ key: 'family', family: given === '4' ? 4 : 6 }];
  for (const key of ['from', 'to'] as const) {
    const families = new Set(match[key]?.any.map(({ family }) => family));
    if (families.size > 1)
      throw new UsageError(`${where}: ${key} has addresses of both families; make a rule for each, or a set`);
    for (const family of families) found.push({ key, family });
  }
  const [first, ...others] = found;
  const other = others.find(({ family }) => family !== first!.family);
  if (other !== undefined) {
    throw new UsageError(
      `${where}: ${first!.key} is IPv${first!.family} and ${other.key} is IPv${other.family}, so it would never match`,
    );
  }
  return first?.family;
}

function rejectContradictions(
  where: string,
  { from, to, proto, sport, dport, own, uid, in: input, mac }: RuleMatch,
): void {
  for (const [key, values] of Object.entries({ from, to }))
    if (values?.not && values.any.some(({ text }) => text.endsWith('/0'))) rejectNothing(where, key);
  for (const [key, values] of Object.entries({ sport, dport }))
    if (values?.not && areAllPorts(values.any)) rejectNothing(where, key);
  const ported = sport === undefined ? (dport === undefined ? undefined : 'dport') : 'sport';
  const withoutPorts = proto?.not || proto?.any.some((one) => !PORT_PROTOCOLS.has(one));
  if (ported !== undefined && (proto === undefined || withoutPorts)) {
    throw new UsageError(
      `${where}: ${ported} needs a protocol that has ports; add proto=tcp, proto=udp or proto=tcp+udp`,
    );
  }
  if (uid !== undefined && own === false)
    throw new UsageError(`${where}: uid is for the router's own connections, which own=false leaves out`);
  const byDevice = input === undefined ? (mac === undefined ? undefined : 'mac') : 'in';
  if (byDevice !== undefined && (own === true || uid !== undefined))
    throw new UsageError(
      `${where}: the router's own connections come in by no device; leave ${byDevice} out`,
    );
}

function rejectNothing(where: string, key: string): never {
  throw new UsageError(`${where}: ${key} leaves out everything, so it would never match`);
}

/** The match as the keys and values of a flag. */
export function matchText(match: RuleMatch): string[] {
  const words = (key: string, values: Values<string | number> | undefined) =>
    values === undefined ? [] : [`${key}=${joinValues(values)}`];
  const texts = <T>(values: Values<T> | undefined, text: (one: T) => string) =>
    values && { ...values, any: values.any.map(text) };
  const range = ({ low, high }: PortRange) => (low === high ? `${low}` : `${low}-${high}`);
  return [
    ...words(
      'from',
      texts(match.from, ({ text }) => text),
    ),
    ...words(
      'to',
      texts(match.to, ({ text }) => text),
    ),
    ...words(
      'proto',
      texts(match.proto, (one) => PORT_PROTOCOLS.get(one) ?? String(one)),
    ),
    ...words('sport', texts(match.sport, range)),
    ...words('dport', texts(match.dport, range)),
    ...words('in', match.in),
    ...words('mac', match.mac),
    ...(match.family === undefined || match.from || match.to ? [] : [`family=${match.family}`]),
    ...words('set', match.set),
    ...words('dscp', match.dscp),
    ...words(
      'fwmark',
      texts(match.fwmark, ({ value, mask }) => `${hex(value)}/${hex(mask)}`),
    ),
    ...(match.time === undefined ? [] : [`time=${timeText(match.time)}`]),
    ...(match.own === undefined ? [] : [`own=${match.own}`]),
    ...words('uid', texts(match.uid, range)),
  ];
}
