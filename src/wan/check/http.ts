import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { tcpSocket } from '../probe-socket.js';
import { type Check, type CheckPath, type CheckResult, failure, inMs, probe } from './check.js';
import { NameCache, probeByName } from './names.js';

/** The status of "generate_204" pages, which are made for this check: a captive portal never answers with it. */
const DEFAULT_STATUS = 204;

/**
 * Requests a URL and expects one status, or any. A captive portal sends a redirect or a page instead; the check does not
 * follow redirects or read pages.
 */
export function httpCheck(status: number | 'any' = DEFAULT_STATUS, names = new NameCache()): Check {
  return (target, path, timeoutMs, signal) => {
    const url = new URL(target);
    return probeByName(names, host(url), { path, timeoutMs, signal }, (address) =>
      probe(timeoutMs, signal, (settle, elapsed) => {
        const request = open(url, address, path);
        request.on('error', (error) => settle(failure(error)));
        request.on('response', (response) => {
          response.on('error', () => {});
          settle(judge(response, status, elapsed()));
        });
        request.end();
        return () => void request.destroy();
      }),
    );
  };
}

/** The host of a URL, without the brackets of an IPv6 address. */
function host(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function open(url: URL, address: string, path: CheckPath): ClientRequest {
  const socket = tcpSocket(path);
  try {
    const secure = url.protocol === 'https:';
    const name = host(url);
    const options = {
      // This works only without an agent, which would make a connection of its own.
      createConnection: (): Socket => {
        const port = Number(url.port) || (secure ? 443 : 80);
        socket.connect({ host: address, port });
        return secure ? tlsConnect({ socket, host: name, servername: isIP(name) ? '' : name }) : socket;
      },
      headers: { 'user-agent': 'wanmark', 'cache-control': 'no-cache', connection: 'close' },
    };
    return (secure ? httpsRequest : httpRequest)(url, options);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function judge(response: IncomingMessage, wanted: number | 'any', rttMs: number): CheckResult {
  const status = response.statusCode ?? 0;
  if (wanted === 'any' || status === wanted) return { ok: true, rttMs, why: inMs(rttMs) };
  const to = response.headers.location;
  const where = to === undefined ? '' : ` to ${to.slice(0, 80)}`;
  // A portal answers with a redirect, or with a page where none is expected.
  const portal = (status >= 300 && status < 400) || status === 200 || status === 511;
  return {
    ok: false,
    rttMs,
    why: `status ${status}${where} instead of ${wanted}${portal ? ', a captive portal?' : ''}`,
  };
}
