import type { IncomingMessage } from 'node:http';
import { splitEndpoint } from '../core/endpoint.js';
import { Refused } from './refused.js';

/**
 * Refuses what a foreign page makes somebody's browser ask. A page that has its own name lead to our address (DNS rebinding)
 * shows by the Host, which then has that name; an address, as nobody can rebind one, `localhost` and the given names are ours. A
 * page of another origin shows by what browsers say of where a request comes from.
 * @param names further names of this server, in lower case
 * @throws Refused
 */
export function needOurs(
  { headers, method }: Pick<IncomingMessage, 'headers' | 'method'>,
  path: string,
  names: readonly string[],
): void {
  const { host, origin } = headers;
  if (!isOurs(host, names))
    throw new Refused(421, 'ask by the address, by localhost, or by a name that was given with --host');
  if (origin !== undefined && !isSame(origin, host!))
    throw new Refused(403, 'not from a page of another origin');
  const site = headers['sec-fetch-site'];
  const isLink = headers['sec-fetch-mode'] === 'navigate' && method === 'GET' && path === '/';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isLink)
    throw new Refused(403, 'not from a page of another site');
}

/**
 * Refuses a change that no page of ours asks for. Browsers name the origin of each; other programs show by a token that they
 * are not a browser that somebody misuses.
 * @throws Refused
 */
export function needIntent({ headers }: Pick<IncomingMessage, 'headers'>): void {
  if (headers.origin !== undefined || headers.authorization !== undefined) return;
  throw new Refused(403, 'a change needs an Origin header, as browsers send it, or a token');
}

/** A proxy that adds TLS keeps the host and changes the scheme. */
function isSame(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}

function isOurs(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined) return false;
  const { address, family } = splitEndpoint(host);
  const name = address.toLowerCase();
  return family !== undefined || name === 'localhost' || names.includes(name);
}
