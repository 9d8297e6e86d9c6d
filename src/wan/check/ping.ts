import { randomBytes, randomInt } from 'node:crypto';
import { DatagramProbe } from '../probe-socket.js';
import { type Check, failure, inMs, probe } from './check.js';
import { echoRequest, isEchoReply } from './icmp.js';

/** As many bytes as ping(8) sends. */
const PAYLOAD_BYTES = 56;

/**
 * One ICMP echo to an address. Each round has an identifier of its own, so that no entry of conntrack or of a
 * gateway's NAT from before an outage is used again.
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
      // A refusal here is a firewall's or the route's, not a missing capability.
      settle({ ok: false, why: failure(error).why });
    }
    return () => socket.close();
  });
