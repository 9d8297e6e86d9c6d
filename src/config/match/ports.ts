import { readFileSync } from 'node:fs';
import type { PortRange } from '../../core/service.js';
import { UsageError } from '../../errors.js';
import { suggestion } from '../nearest.js';

const MOST = 65_535;

/** The protocols that have ports, by the names that rules take. */
export const PORT_PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
  [33, 'dccp'],
  [136, 'udplite'],
]);

/** Other protocols that a rule can name (IANA). */
const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ...[...PORT_PROTOCOLS].map(([number, name]) => [name, number] as const),
  ['icmp', 1],
  ['igmp', 2],
  ['ipip', 4],
  ['ipv6', 41],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['icmpv6', 58],
  ['ipv6-icmp', 58],
  ['ospf', 89],
  ['l2tp', 115],
]);

/** Reads a protocol's name or number. @throws UsageError */
export function parseProtocol(where: string, text: string): number {
  const known = PROTOCOLS.get(text.toLowerCase());
  if (known !== undefined) return known;
  if (/^\d{1,3}$/.test(text) && Number(text) <= 255) return Number(text);
  throw new UsageError(`${where}: unknown protocol "${text}"${suggestion(text, PROTOCOLS.keys())}`);
}

/** Reads a port, a range of ports, or the name of a service. @throws UsageError */
export function parsePortValue(where: string, text: string): PortRange {
  const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (range === null) {
    const port = services().get(text.toLowerCase());
    if (port !== undefined) return { low: port, high: port };
    throw new UsageError(
      `${where}: "${text}" is neither a port nor a service of /etc/services; use for example 5060, 10000-20000 or https`,
    );
  }
  const low = Number(range[1]);
  const high = Number(range[2] ?? range[1]);
  if (low <= high && high <= MOST) return { low, high };
  throw new UsageError(`${where}: "${text}" must be a port, or LOW-HIGH, up to ${MOST}`);
}

/** Whether the ranges together are every port. */
export function areAllPorts(ranges: readonly PortRange[]): boolean {
  const ordered = ranges.toSorted((a, b) => a.low - b.low);
  return ordered.reduce((next, { low, high }) => (low <= next ? Math.max(next, high + 1) : next), 0) > MOST;
}

let known: ReadonlyMap<string, number> | undefined;

/** The ports of /etc/services by name and alias. The same name has the same port in all protocols (RFC 6335). */
function services(): ReadonlyMap<string, number> {
  known ??= new Map(
    read('/etc/services').flatMap((line) => {
      const [name = '', place = '', ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
      const port = Number.parseInt(place, 10);
      return Number.isNaN(port) ? [] : [name, ...aliases].map((one) => [one.toLowerCase(), port] as const);
    }),
  );
  return known;
}

function read(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    // A router without it knows no names; numbers are enough.
    return [];
  }
}
