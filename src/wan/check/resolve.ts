import { randomInt } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { type Endpoint, parseEndpoint } from '../../core/endpoint.js';
import { DatagramProbe } from '../probe-socket.js';
import type { CheckPath } from './check.js';
import { dnsAddresses, dnsAnswer, dnsQuery, TYPE } from './dns-message.js';

/** How long a name server may take. */
const PATIENCE_MS = 1000;
const PORT = 53;
/** Errors that mean "no such address", and not "cannot tell". */
const NONE = new Set(['ENODATA', 'ENOTFOUND']);

/**
 * Asks the name servers of resolv.conf by the path. Where none of them answers by it, the router itself is asked: its
 * resolver may be a program on this machine, or the name servers of another provider, which refuse strangers.
 */
export async function resolveBy(name: string, path: CheckPath): Promise<readonly string[]> {
  // A backend has no path of its own.
  const servers = path.mark === 0 ? [] : serversFor(path);
  const asked = servers.map((server) => ask(server, name, path));
  const answer = await Promise.any(asked).catch(() => undefined);
  return answer ?? resolveHere(name, path);
}

/** The name servers that can be asked by a path; none on this machine. */
function serversFor({ family }: CheckPath): readonly Endpoint[] {
  return new Resolver()
    .getServers()
    .flatMap((text) => parseEndpoint(text, PORT) ?? [])
    .filter((server) => server.family === family && !/^(127\.|::1$)/.test(server.address));
}

/** Rejects where the server cannot tell. */
function ask(server: Endpoint, name: string, path: CheckPath): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const end = (answer: readonly string[] | Error) => {
      clearTimeout(timer);
      socket.close();
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
    };
    const query = dnsQuery(randomInt(0x10000), name, path.family === 4 ? TYPE.A : TYPE.AAAA);
    const socket = new DatagramProbe('udp', path, server.address, server.port, (error, message) => {
      if (error !== undefined) return end(error);
      const rcode = dnsAnswer(query, message);
      if (rcode === undefined) return;
      const isGood = rcode === 'NOERROR' || rcode === 'NXDOMAIN';
      end(isGood ? dnsAddresses(query, message, path.family) : new Error(rcode));
    });
    const timer = setTimeout(() => end(new Error('timeout')), PATIENCE_MS);
    try {
      socket.send(query);
    } catch (error) {
      end(error as Error);
    }
  });
}

/**
 * Asks as the router does, with c-ares: getaddrinfo(3) would hold one of the few threads of libuv's pool for seconds, and
 * conntrack look-ups and file reads need those threads.
 */
async function resolveHere(name: string, { family }: CheckPath): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: PATIENCE_MS, tries: 2 });
  try {
    return await (family === 4 ? resolver.resolve4(name) : resolver.resolve6(name));
  } catch (error) {
    if (NONE.has((error as { code?: string }).code ?? '')) return [];
    throw error;
  }
}
