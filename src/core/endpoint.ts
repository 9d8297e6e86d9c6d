import { isIPv4, isIPv6 } from 'node:net';
import type { Family } from './family.js';

/** An address with a port. */
export interface Endpoint {
  readonly address: string;
  readonly family: Family;
  readonly port: number;
}

/** The parts of an endpoint's text. */
export interface EndpointText {
  readonly address: string;
  /** Undefined where the text is not an address, is an IPv4 address in brackets, or has a zone. */
  readonly family: Family | undefined;
  /** Everything behind the colon, unchecked; undefined without a colon. */
  readonly port: string | undefined;
}

/** Splits `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`. */
export function splitEndpoint(text: string): EndpointText {
  const match = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? /^([^:]*)(?::([^:]*))?$/.exec(text);
  const address = match?.[1] ?? text;
  const family =
    isIPv6(address) && !address.includes('%') ? 6 : isIPv4(address) && !text.startsWith('[') ? 4 : undefined;
  return { address, family, port: match?.[2] };
}

/**
 * Reads `192.0.2.1:443` or `[2001:db8::1]:443`; the port may be missing when there is a default. Undefined for anything
 * else.
 */
export function parseEndpoint(text: string, defaultPort?: number): Endpoint | undefined {
  const { address, family, port: digits } = splitEndpoint(text);
  if (digits !== undefined && !/^\d{1,5}$/.test(digits)) return undefined;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (family === undefined || port === undefined || port < 1 || port > 0xffff) return undefined;
  return { address, family, port };
}

/** An address, with its port if there is one, as iptables and URLs write it; the opposite of {@link splitEndpoint}. */
export function formatEndpoint(family: Family, address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
