import { isIP, isIPv4, isIPv6 } from 'node:net';
import { FAMILIES, type Family } from '../core/family.js';
import type { MarkField } from '../core/mark.js';
import { carries, gatewayOf, type Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import { WAN_KEYS } from './keys.js';
import { suggestion } from './nearest.js';
import { parseInteger } from './number.js';
import { assignNumbers } from './numbers.js';
import { textOf, toRecord } from './record.js';

const KEYS = Object.keys(WAN_KEYS);
/** Names become parts of iptables comments and log prefixes. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;
/** Names that dev_valid_name() in the kernel accepts: shorter than IFNAMSIZ, no slash, no colon, no space; and those that can be printed. */
/** The name of a device (dev_valid_name), without what separates the keys of an item. */
export const DEVICE = /^[^\s\p{C}/:,;=]{1,15}$/u;
/** The greatest weight that a member may have. */
export const MAX_WEIGHT = 65535;

/** The source of numbers that the configuration does not give. */
export interface WanNumbers {
  /** The numbers that the WANs have had since `up`, by name. */
  readonly remembered: ReadonlyMap<string, number>;
  /** The largest number that is free for a WAN; a configured one may be larger. */
  readonly most: number;
}

/** A WAN as configured; its mark is undefined where the configuration gives none. */
type ParsedWan = Omit<Wan, 'mark'> & { readonly mark: number | undefined };

/** Reads the WANs and checks them one by one and against each other. @throws UsageError */
export function parseWans(
  raw: readonly unknown[],
  field: MarkField,
  { remembered, most }: WanNumbers = { remembered: new Map(), most: field.max },
): readonly Wan[] {
  if (raw.length > most) {
    const reserved = most < field.max ? ` besides that of the last resort` : '';
    throw new UsageError(
      `${raw.length} WANs do not fit the mask, which holds ${most}${reserved}; use a wider --mask`,
    );
  }
  const parsed = raw.map((item) => parseWan(toRecord('WAN', item), field));
  rejectTwins(parsed, 'name');
  rejectTwins(parsed, 'mark');
  const numbers = assignNumbers(
    parsed.map(({ name, mark }) => ({ name, given: mark })),
    remembered,
    most,
  );
  const wans = parsed.map((wan) => Object.freeze({ ...wan, mark: numbers.get(wan.name)! }));
  rejectSameWay(wans);
  rejectSharedAuto(wans);
  if (wans.length > 0 && wans.every((wan) => wan.weight === 0)) {
    throw new UsageError(
      'every WAN has weight 0, so none takes new connections; give one a weight of 1 or more',
    );
  }
  return wans;
}

function parseWan(record: Readonly<Record<string, unknown>>, field: MarkField): ParsedWan {
  const text = (key: string) => textOf(record, key);
  const name = text('name') ?? '';
  if (!NAME.test(name)) {
    throw new UsageError(`WAN name "${name}" must be 1 to 15 letters, digits, dots, dashes or underscores`);
  }
  const where = `WAN "${name}"`;
  for (const key of Object.keys(record)) {
    if (!KEYS.includes(key)) throw new UsageError(`${where}: unknown key "${key}"${suggestion(key, KEYS)}`);
  }
  const dev = text('dev');
  if (dev === undefined) throw new UsageError(`${where} has no device; add dev=DEVICE`);
  if (!DEVICE.test(dev)) throw new UsageError(`${where}: "${dev}" is not a device name`);
  const via6 = parseGateway(where, 'via6', text('via6'));
  // A WAN with neither gateway is a point-to-point device, as any IPv4 uplink without a gateway is.
  const via = parseGateway(where, 'via', text('via') ?? (via6 === undefined ? 'dev' : undefined));
  const given = text('mark');
  const mark =
    given === undefined ? undefined : parseInteger(`${where}: mark`, given, 1, Number.MAX_SAFE_INTEGER);
  if (mark !== undefined && mark > field.max)
    throw new UsageError(`${where}: mark ${mark} is outside the mask, which holds 1..${field.max}`);
  const nat = parseNat(where, 'nat', text('nat') ?? WAN_KEYS.nat.default, 4);
  const initial = text('initial') ?? WAN_KEYS.initial.default;
  if (initial !== 'up' && initial !== 'down')
    throw new UsageError(`${where}: initial "${initial}" must be up or down`);
  return Object.freeze({
    name,
    dev,
    via,
    via6,
    ...(via6 === undefined && text('via') === undefined ? { viaOmitted: true } : {}),
    weight: parseInteger(`${where}: weight`, text('weight') ?? WAN_KEYS.weight.default, 0, MAX_WEIGHT),
    tier: parseInteger(`${where}: tier`, text('tier') ?? WAN_KEYS.tier.default, 1, MAX_WEIGHT),
    mark,
    ...(initial === 'down' ? { startsDown: true } : {}),
    nat,
    // `nat=none` means that the gateway translates, and it does so for both families. An IPv4 address cannot serve
    // IPv6.
    nat6: parseNat(where, 'nat6', text('nat6') ?? (nat === 'none' ? 'none' : WAN_KEYS.nat6.default), 6),
  });
}

function parseGateway(where: string, key: 'via' | 'via6', value: string | undefined): string | undefined {
  if (value === undefined || value === 'dev' || value === 'auto') return value;
  const valid = key === 'via' ? isIPv4(value) : isIPv6(value) && !value.includes('%');
  if (valid) return value;
  const family = key === 'via' ? 'IPv4' : 'IPv6';
  throw new UsageError(
    `${where}: ${key} "${value}" is not an ${family} address (or "dev" for a device without gateway, or "auto")`,
  );
}

function parseNat(where: string, key: string, value: string, family: Family): string {
  if (value === 'masquerade' || value === 'none') return value;
  const [address = '', length, ...rest] = value.split('/');
  const bits = family === 4 ? 32 : 128;
  const lengthFits = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits);
  if (isIP(address) === family && !address.includes('%') && lengthFits && rest.length === 0) return value;
  throw new UsageError(
    `${where}: ${key} "${value}" must be masquerade, none, an IPv${family} address or a prefix`,
  );
}

function rejectTwins(wans: readonly ParsedWan[], key: 'name' | 'mark'): void {
  wans.forEach((wan, i) => {
    const twin = wans.find((other, j) => j < i && wan[key] !== undefined && other[key] === wan[key]);
    if (twin === undefined) return;
    if (key === 'name') throw new UsageError(`two WANs are named "${wan.name}"; give each its own name`);
    throw new UsageError(
      `WANs "${twin.name}" and "${wan.name}" both have mark ${wan.mark}; give each its own`,
    );
  });
}

/** Two WANs with one device and one gateway would be the same uplink counted twice. */
function rejectSameWay(wans: readonly Wan[]): void {
  wans.forEach((wan, i) => {
    const twin = wans.find(
      (other, j) =>
        j < i &&
        other.dev === wan.dev &&
        ((wan.via !== undefined && other.via === wan.via) ||
          (wan.via6 !== undefined && other.via6 === wan.via6)),
    );
    if (twin !== undefined) {
      throw new UsageError(
        `WANs "${twin.name}" and "${wan.name}" have the same device and gateway; give each its own gateway`,
      );
    }
  });
}

/**
 * The main table has one gateway of a family for a device, so `auto` cannot tell two WANs of that family apart. One WAN
 * for each family of a device, as OpenWrt has them, is no such case.
 */
function rejectSharedAuto(wans: readonly Wan[]): void {
  for (const wan of wans) {
    for (const family of FAMILIES) {
      if (gatewayOf(wan, family) !== 'auto') continue;
      const twin = wans.find((other) => other !== wan && other.dev === wan.dev && carries(other, family));
      if (twin === undefined) continue;
      const key = family === 6 ? 'via6' : 'via';
      throw new UsageError(
        `WANs "${wan.name}" and "${twin.name}" have IPv${family} by the same device, which ${key}=auto needs for itself; give each its gateway`,
      );
    }
  }
}
