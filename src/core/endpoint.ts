import { isIP } from 'node:net';

/** An address with a port. */
export interface Endpoint {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
}

/**
 * `192.0.2.1:443`, `[2001:db8::1]:443`, or without a port when there is a default; undefined for anything else.
 */
export function parseEndpoint(text: string, defaultPort?: number): Endpoint | undefined {
  const match = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]*)(?::(\d{1,5}))?$/.exec(text);
  const address = match?.[1] ?? text;
  const family = isIP(address);
  const port = match?.[2] === undefined ? defaultPort : Number(match[2]);
  if (family === 0 || address.includes('%') || port === undefined || port < 1 || port > 0xffff)
    return undefined;
  if (text.startsWith('[') && family !== 6) return undefined;
  return { address, family: family as 4 | 6, port };
}
