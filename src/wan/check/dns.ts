import { randomInt } from 'node:crypto';
import { parseEndpoint } from '../../core/endpoint.js';
import { DatagramProbe } from '../probe-socket.js';
import { type Check, failure, inMs, probe } from './check.js';
import { dnsAnswer, dnsQuery } from './dns-message.js';

const PORT = 53;
/** Rcodes of a server that works; whether the name exists does not matter. */
const GOOD = new Set(['NOERROR', 'NXDOMAIN']);

/** Asks the server at an address (or `address:port`) over UDP for `name`, by default for the root's name servers. */
export function dnsCheck(name = '.'): Check {
  return (target, path, timeoutMs, signal) =>
    probe(timeoutMs, signal, (settle, elapsed) => {
      const to = parseEndpoint(target, PORT);
      if (to === undefined) throw new Error(`"${target}" is not an address`);
      const query = dnsQuery(randomInt(0x10000), name);
      const socket = new DatagramProbe('udp', path, to.address, to.port, (error, message) => {
        if (error !== undefined) return settle(failure(error));
        const rcode = dnsAnswer(query, message);
        if (rcode === undefined) return;
        const rttMs = elapsed();
        settle(GOOD.has(rcode) ? { ok: true, rttMs, why: inMs(rttMs) } : { ok: false, rttMs, why: rcode });
      });
      try {
        socket.send(query);
      } catch (error) {
        settle(failure(error));
      }
      return () => socket.close();
    });
}
