import { parseEndpoint } from '../../core/endpoint.js';
import { type Check, failure, inMs, probe } from '../check/check.js';
import { tcpSocket } from '../probe-socket.js';

/**
 * Sends a SYN to `address:port`. Any answer by TCP will do: a refusal came from there as well, so the way works. A
 * connection that is made is closed at once, without a byte.
 */
export const reach: Check = (target, path, timeoutMs, signal) =>
  probe(timeoutMs, signal, (settle, elapsed) => {
    const to = parseEndpoint(target);
    if (to === undefined) throw new Error(`"${target}" is not an address:port`);
    const socket = tcpSocket(path);
    const answered = () => {
      const rttMs = elapsed();
      settle({ ok: true, rttMs, why: inMs(rttMs) });
    };
    socket.on('connect', answered);
    socket.on('error', (error) => {
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') answered();
      else settle(failure(error));
    });
    socket.connect({ host: to.address, port: to.port });
    // Closed in the usual way, since a reset can come between accept(2) and the first write of a server, and not all
    // servers live through that.
    return () => socket.destroy();
  });
