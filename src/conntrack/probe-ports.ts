import { TCP, UDP } from '../core/protocol.js';

const PORTS = 0x10000;

/**
 * How many probes of this process use each local port, first of TCP and then of UDP. The counters' threads read it, so
 * that a probe is not counted as a connection while it runs.
 */
export const probePorts: Uint8Array = new Uint8Array(2 * PORTS);

/**
 * How long a port stays taken for a probe's after its end: until counters have read the events of that end. Without
 * this, the FIN of a probe would be taken for that of a connection that came and went unseen.
 */
const LINGER_MS = 1000;

/** Notes that a probe uses a local port, until a moment after the returned function is called. */
export function useProbePort(proto: 'tcp' | 'udp', port: number): () => void {
  const at = (proto === 'tcp' ? 0 : PORTS) + port;
  probePorts[at]!++;
  let released = false;
  return () => {
    if (released) return;
    released = true;
    setTimeout(() => probePorts[at]!--, LINGER_MS).unref();
  };
}

/** Whether a probe of this process uses a local port. @param proto number of the IP protocol; others have no such ports */
export function isProbePort(proto: number, port: number): boolean {
  const at = proto === TCP ? port : proto === UDP ? PORTS + port : undefined;
  return at !== undefined && probePorts[at]! > 0;
}
