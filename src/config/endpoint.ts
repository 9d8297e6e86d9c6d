import { BlockList } from 'node:net';
import { splitEndpoint } from '../core/endpoint.js';
import type { Family } from '../core/family.js';
import type { PortRange, Service, ServiceProto } from '../core/service.js';
import { UsageError } from '../errors.js';
import { parseInteger } from './number.js';
import { DEVICE } from './wan.js';

const MAX_PORT = 65535;
const LISTEN_FORM = 'use for example 192.0.2.1:80/tcp, [2001:db8::1]:8000-8100/udp or 192.0.2.1/any';

/**
 * Addresses that cannot be a server's: unspecified, loopback, multicast and broadcast, and those that need a device.
 */
const NOBODY = new BlockList();
NOBODY.addSubnet('0.0.0.0', 8);
NOBODY.addSubnet('127.0.0.0', 8);
NOBODY.addSubnet('224.0.0.0', 3);
NOBODY.addAddress('::', 'ipv6');
NOBODY.addAddress('::1', 'ipv6');
NOBODY.addSubnet('fe80::', 10, 'ipv6');
NOBODY.addSubnet('ff00::', 8, 'ipv6');

/** The address, or device, and ports that a service listens on. */
export type Listen = Pick<Service, 'address' | 'device' | 'proto' | 'ports'> & {
  /** Undefined for a device. */
  readonly family: Family | undefined;
};

/** What a device begins with in place of an address. */
const DEVICE_PREFIX = 'dev:';

/**
 * Reads `192.168.1.1:27017/tcp`, `dev:ppp0:443/tcp` and the like.
 * @param where the beginning of error messages
 * @throws UsageError
 */
export function parseListen(where: string, text: string): Listen {
  const slash = text.lastIndexOf('/');
  const proto = text.slice(slash + 1);
  if (slash < 0 || !isProto(proto)) {
    throw new UsageError(`${where}: listen "${text}" must end in /tcp, /udp or /any; ${LISTEN_FORM}`);
  }
  const { port, ...at } = splitPlace(`${where}: listen "${text}"`, text.slice(0, slash));
  if (proto === 'any') {
    if (port !== undefined)
      throw new UsageError(`${where}: listen "${text}": /any is every port; leave ":${port}" out`);
    return { ...at, proto, ports: undefined };
  }
  if (port === undefined)
    throw new UsageError(`${where}: listen "${text}" has no port; use ADDRESS:PORT/${proto} or ADDRESS/any`);
  return { ...at, proto, ports: parsePorts(`${where}: listen port`, port) };
}

function splitPlace(
  what: string,
  text: string,
): Pick<Listen, 'family' | 'address' | 'device'> & { port: string | undefined } {
  if (!text.startsWith(DEVICE_PREFIX)) return { ...splitAddress(what, text), device: undefined };
  const [device = '', port, ...rest] = text.slice(DEVICE_PREFIX.length).split(':');
  if (rest.length > 0 || !DEVICE.test(device))
    throw new UsageError(`${what}: "${device}" is not a device name; use for example dev:eth1:80/tcp`);
  return { family: undefined, address: undefined, device, port };
}

function isProto(text: string): text is ServiceProto {
  return text === 'tcp' || text === 'udp' || text === 'any';
}

function parsePorts(what: string, text: string): PortRange {
  const [first = '', last = first, ...rest] = text.split('-');
  const low = parsePort(what, first);
  const high = parsePort(what, last);
  if (high < low || rest.length > 0)
    throw new UsageError(`${what}s "${text}" must be LOW-HIGH, for example 8000-8100`);
  return Object.freeze({ low, high });
}

/** Reads a port. @throws UsageError that names `what` */
export function parsePort(what: string, text: string): number {
  return parseInteger(what, text, 1, MAX_PORT);
}

/**
 * Splits `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; the port is whatever stands behind the
 * colon.
 */
export function splitAddress(
  what: string,
  text: string,
): { address: string; family: Family; port: string | undefined } {
  const { address, family, port } = splitEndpoint(text);
  if (family === undefined) throw new UsageError(`${what}: "${address}" is not an address; ${LISTEN_FORM}`);
  if (NOBODY.check(address, family === 6 ? 'ipv6' : 'ipv4'))
    throw new UsageError(
      `${what}: ${address} is not an address that others can reach; use a unicast address`,
    );
  return { address: family === 6 ? shortAddress(address) : address, family, port };
}

/** The form of RFC 5952, made by the WHATWG URL parser. */
export function shortAddress(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
