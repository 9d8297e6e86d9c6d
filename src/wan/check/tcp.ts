import { parseEndpoint } from '../../core/endpoint.js';
import { tcpSocket } from '../probe-socket.js';
import { type Check, failure, inMs, probe } from './check.js';

/** Opens a connection to `address:port` and closes it again. A refusal is a failure: the port should be open. */
export const tcp: Check = (target, path, timeoutMs, signal) =>
  probe(timeoutMs, signal, (settle, elapsed) => {
    const to = parseEndpoint(target);
    if (to === undefined) throw new Error(`"${target}" is not an address:port`);
    const socket = tcpSocket(path, path.unnoticed);
    socket.on('error', (error) => settle(failure(error)));
    socket.on('connect', () => {
      const rttMs = elapsed();
      settle({ ok: true, rttMs, why: inMs(rttMs) });
    });
    socket.connect({ host: to.address, port: to.port });
    return () => socket.destroy();
  });
