import { PORT_PROTOCOLS, parseProtocol } from '../config/match/ports.js';
import { formatAddress, parseAddress } from '../core/address.js';
import { splitEndpoint } from '../core/endpoint.js';
import type { Family } from '../core/family.js';
import { ICMP, ICMPV6, TCP } from '../core/protocol.js';
import { UsageError } from '../errors.js';
import { typeOf } from '../plan/evaluate/addresses.js';
import type { Packet, Surroundings } from '../plan/evaluate/packet.js';
import { deviceTowards } from '../plan/evaluate/route.js';
import { NO_ADDRESS } from '../plan/evaluate/walk.js';

/** The packet of a command line. */
export interface PacketArguments {
  readonly src: string;
  readonly dst: string;
  readonly proto: string | undefined;
  readonly in: string | undefined;
  readonly own: boolean | undefined;
  readonly mac: string | undefined;
  readonly mark: string | undefined;
  readonly uid: string | undefined;
  readonly dscp: string | undefined;
}

/** The word for the source of a connection that the router itself makes and whose address the kernel chooses. */
const ROUTER = 'router';

/** A packet, apart from what only the machine knows. */
export interface GivenPacket {
  readonly family: Family;
  readonly proto: number;
  /** Undefined for the router's own, from whatever address. */
  readonly src: string | undefined;
  readonly sport: number | undefined;
  readonly dst: string;
  readonly dport: number | undefined;
  readonly in: string | undefined;
  readonly own: boolean;
  readonly mac: string | undefined;
  readonly mark: number;
  readonly user: number | undefined;
  readonly dscp: number | undefined;
}

/** Reads the packet, without a look at the machine. @throws UsageError */
export function parsePacket(given: PacketArguments): GivenPacket {
  const to = parsePlace('DST', given.dst);
  const [name, digits] = given.src.split(':');
  const isRouter = name === ROUTER;
  const from = isRouter ? undefined : parsePlace('SRC', given.src);
  const sport = isRouter ? parsePort('SRC', given.src, digits) : from?.port;
  if (from !== undefined && from.family !== to.family)
    throw new UsageError(
      `SRC is IPv${from.family} and DST is IPv${to.family}; give two addresses of one family`,
    );
  const proto = given.proto === undefined ? TCP : parseProtocol('--proto', given.proto);
  const ported = to.port ?? sport;
  if (ported !== undefined && !PORT_PROTOCOLS.has(proto))
    throw new UsageError(
      `port ${ported} needs a protocol that has ports; add --proto tcp or --proto udp, or leave it out`,
    );
  if ((proto === ICMP && to.family === 6) || (proto === ICMPV6 && to.family === 4))
    throw new UsageError(
      `--proto ${given.proto} is not of IPv${to.family}; use --proto ${to.family === 6 ? 'icmpv6' : 'icmp'}`,
    );
  const own = given.own === true || isRouter || given.uid !== undefined;
  if (own && given.in !== undefined)
    throw new UsageError("the router's own connections come in by no device; leave --in or --own out");
  if (own && given.mac !== undefined)
    throw new UsageError(
      "the router's own connections have no sender's MAC address; leave --mac or --own out",
    );
  return {
    family: to.family,
    proto,
    src: from?.address,
    sport,
    dst: to.address,
    dport: to.port,
    in: given.in,
    own,
    mac: parseMac(given.mac),
    mark: parseNumber('--mark', given.mark, 0xffff_ffff) ?? 0,
    user: parseNumber('--uid', given.uid, 0xffff_fffe),
    dscp: parseNumber('--dscp', given.dscp, 63),
  };
}

function parsePlace(
  name: string,
  text: string,
): { address: string; family: Family; port: number | undefined } {
  const { address, family, port: digits } = splitEndpoint(text);
  if (family === undefined) {
    const words = name === 'SRC' ? `, or ${ROUTER}` : '';
    throw new UsageError(
      `${name} "${text}" is not an address; use for example 192.0.2.1, 192.0.2.1:443 or [2001:db8::1]:443${words}`,
    );
  }
  return {
    address: formatAddress(parseAddress(address), 0, family),
    family,
    port: parsePort(name, text, digits),
  };
}

function parsePort(name: string, text: string, digits: string | undefined): number | undefined {
  if (digits === undefined) return undefined;
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port >= 1 && port <= 0xffff) return port;
  throw new UsageError(`${name} "${text}": port "${digits}" must be 1 to 65535`);
}

function parseMac(text: string | undefined): string | undefined {
  if (text === undefined || /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return text?.toLowerCase();
  throw new UsageError(`--mac "${text}" must be a MAC address, for example 02:00:00:00:00:01`);
}

function parseNumber(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
  if (value <= most) return value;
  throw new UsageError(`${name} "${text}" must be a number from 0 to ${most}`);
}

/**
 * The packet as this machine would get it: a sender whose device is not given is where the main table has it.
 * @param macOf the Ethernet address of a neighbour, where it is known
 * @throws UsageError for a device that is not there, or a source that cannot be
 */
export function placePacket(
  given: GivenPacket,
  around: Surroundings,
  macOf: (device: string, address: string) => string | undefined,
): Packet {
  const { facts } = around;
  const { family, src } = given;
  const common = { ...given, at: new Date() };
  const isLocal = src !== undefined && typeOf(src, family, facts) === 'local';
  if (src === undefined || (isLocal && given.in === undefined))
    return { ...common, in: undefined, src: src ?? NO_ADDRESS[family], isUnbound: src === undefined };
  if (given.own || isLocal) {
    const remedy = given.own ? `use one of its own, or ${ROUTER}` : 'leave --in out';
    throw new UsageError(`SRC ${src} is ${isLocal ? '' : 'not '}an address of this router; ${remedy}`);
  }
  const device = given.in ?? deviceTowards(src, facts.main[family]);
  if (device === undefined)
    throw new UsageError(
      `the main table has no route to ${src}, so say by which device it comes in: --in DEVICE`,
    );
  if (!facts.devices.has(device)) throw new UsageError(`there is no device ${device}; see 'ip link'`);
  return { ...common, src, in: device, isUnbound: false, mac: given.mac ?? macOf(device, src) };
}
