import { isIPv4, isIPv6 } from 'node:net';
import type { Family } from './family.js';

/** An address with a port. */
export interface Endpoint {
  readonly address: string;
  readonly family: Family;
  readonly port: number;
}

/** A text in its parts. */
export interface EndpointText {
  readonly address: string;
  /** Undefined: the address is none, or an IPv4 one in brackets, or one with a zone. */
  readonly family: Family | undefined;
  /** Whatever stands behind the colon; undefined: there is none. */
  readonly port: string | undefined;
}

/** `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`. */
export function splitEndpoint(text: string): EndpointText {
  const match = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? /^([^:]*)(?::([^:]*))?$/.exec(text);
  const address = match?.[1] ?? text;
  const family =
    isIPv6(address) && !address.includes('%') ? 6 : isIPv4(address) && !text.startsWith('[') ? 4 : undefined;
  return { address, family, port: match?.[2] };
}

/**
 * `192.0.2.1:443`, `[2001:db8::1]:443`, or without a port when there is a default; undefined for anything else.
 */
export function parseEndpoint(text: string, defaultPort?: number): Endpoint | undefined {
  const { address, family, port: digits } = splitEndpoint(text);
  if (digits !== undefined && !/^\d{1,5}$/.test(digits)) return undefined;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (family === undefined || port === undefined || port < 1 || port > 0xffff) return undefined;
  return { address, family, port };
}
