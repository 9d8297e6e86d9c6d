import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { Family } from '../core/family.js';
import type { MarkField } from '../core/mark.js';
import type { Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import { suggestion } from './nearest.js';
import { parseInteger } from './number.js';
import { textOf, toRecord } from './record.js';

const KEYS = ['name', 'dev', 'via', 'via6', 'weight', 'tier', 'mark', 'nat', 'nat6'];
/** Names become parts of iptables comments and log prefixes. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;
/** dev_valid_name() in the kernel: shorter than IFNAMSIZ, no slash, no colon, no space. */
const DEVICE = /^[^\s/:,;=]{1,15}$/;
export const MAX_WEIGHT = 65535;

/** The WANs, checked one by one and against each other. @throws UsageError */
export function parseWans(raw: readonly unknown[], field: MarkField): readonly Wan[] {
  if (raw.length > field.max) {
    throw new UsageError(
      `${raw.length} WANs do not fit the mask, which holds ${field.max}; use a wider --mask`,
    );
  }
  const wans = raw.map((item, i) => parseWan(toRecord('WAN', item), i + 1, field));
  rejectTwins(wans, 'name');
  rejectTwins(wans, 'mark');
  rejectSameWay(wans);
  rejectSharedAuto(wans);
  if (wans.length > 0 && wans.every((wan) => wan.weight === 0)) {
    throw new UsageError(
      'every WAN has weight 0, so none takes new connections; give one a weight of 1 or more',
    );
  }
  return wans;
}

function parseWan(record: Readonly<Record<string, unknown>>, position: number, field: MarkField): Wan {
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
  if (!DEVICE.test(dev)) throw new UsageError(`${where}: "${dev}" is no device name`);
  const via6 = parseGateway(where, 'via6', text('via6'));
  // A WAN with neither gateway is a point-to-point device, which every IPv4 uplink without one is.
  const via = parseGateway(where, 'via', text('via') ?? (via6 === undefined ? 'dev' : undefined));
  const mark = parseInteger(`${where}: mark`, text('mark') ?? String(position), 1, Number.MAX_SAFE_INTEGER);
  if (mark > field.max)
    throw new UsageError(`${where}: mark ${mark} is outside the mask, which holds 1..${field.max}`);
  const nat = parseNat(where, 'nat', text('nat') ?? 'masquerade', 4);
  return Object.freeze({
    name,
    dev,
    via,
    via6,
    weight: parseInteger(`${where}: weight`, text('weight') ?? '1', 0, MAX_WEIGHT),
    tier: parseInteger(`${where}: tier`, text('tier') ?? '1', 1, MAX_WEIGHT),
    mark,
    nat,
    // `none` means a gateway that translates, and it does so for both families; an IPv4 address cannot.
    nat6: parseNat(where, 'nat6', text('nat6') ?? (nat === 'none' ? 'none' : 'masquerade'), 6),
  });
}

function parseGateway(where: string, key: 'via' | 'via6', value: string | undefined): string | undefined {
  if (value === undefined || value === 'dev' || value === 'auto') return value;
  const valid = key === 'via' ? isIPv4(value) : isIPv6(value) && !value.includes('%');
  if (valid) return value;
  const family = key === 'via' ? 'IPv4' : 'IPv6';
  throw new UsageError(
    `${where}: ${key} "${value}" is no ${family} address (or "dev" for a device without gateway, or "auto")`,
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

function rejectTwins(wans: readonly Wan[], key: 'name' | 'mark'): void {
  wans.forEach((wan, i) => {
    const twin = wans.find((other, j) => j < i && other[key] === wan[key]);
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

/** The main table has one gateway for a device, so `auto` cannot tell two WANs apart. */
function rejectSharedAuto(wans: readonly Wan[]): void {
  for (const wan of wans) {
    if (wan.via !== 'auto' && wan.via6 !== 'auto') continue;
    const twin = wans.find((other) => other !== wan && other.dev === wan.dev);
    if (twin === undefined) continue;
    throw new UsageError(
      `WANs "${wan.name}" and "${twin.name}" have the same device, which via=auto needs for itself; give each its gateway`,
    );
  }
}
