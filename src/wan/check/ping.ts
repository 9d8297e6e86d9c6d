import { randomBytes, randomInt } from 'node:crypto';
import { DatagramProbe } from '../probe-socket.js';
import { type Check, failure, inMs, probe } from './check.js';
import { echoRequest, isEchoReply } from './icmp.js';

/** Length of the payload in bytes, the same as that of ping(8). */
const PAYLOAD_BYTES = 56;

/**
 * Sends one ICMP echo to an address. Each round has a new identifier, so that it does not match an entry of conntrack
 * or of a gateway's NAT from before an outage.
 */
export const ping: Check = (target, path, timeoutMs, signal) =>
  probe(timeoutMs, signal, (settle, elapsed) => {
    const payload = randomBytes(PAYLOAD_BYTES);
    const socket = new DatagramProbe('echo', path, target, 0, (error, message) => {
      if (error !== undefined) settle(failure(error));
      else if (isEchoReply(path.family, message, payload, socket.raw)) {
        const rttMs = elapsed();
        settle({ ok: true, rttMs, why: inMs(rttMs) });
      }
    });
    try {
      socket.send(echoRequest(path.family, randomInt(1, 0x10000), payload));
    } catch (error) {
      settle(failure(error));
    }
    return () => socket.close();
  });
