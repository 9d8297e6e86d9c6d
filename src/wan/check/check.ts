import type { Family } from '../../core/family.js';

/** The path of a probe: out of one WAN, whatever the router's main table says; or to a backend, by that table. */
export interface CheckPath {
  /** Name of the WAN, or of the backend as a target. */
  readonly wan: string;
  readonly family: Family;
  /** The WAN's mark, shifted into its mask: `ip rule fwmark` routes the probe by it. */
  readonly mark: number;
  /** The device to bind to; when undefined the mark alone chooses. */
  readonly device: string | undefined;
  /** The source address; when undefined the kernel chooses it by the route. */
  readonly source?: string | undefined;
  /** Set where a program should not notice that its port was only tried; see {@link tcpSocket}. */
  readonly unnoticed?: true;
  /** The gateway for scripts: an address, or `dev` where none is needed. */
  readonly gateway?: string | undefined;
}

/** The result of one probe of one target. */
export interface CheckResult {
  readonly ok: boolean;
  /** Round trip in milliseconds, where the check measures one. */
  readonly rttMs?: number;
  /** A few words: `timeout`, `status 302 (captive portal?)`, or how it went well. */
  readonly why: string;
  /**
   * Set when the result says nothing about the WAN, since the fault is this machine's: no descriptors left, say, or a name that
   * could not be resolved.
   */
  readonly inconclusive?: true;
}

/**
 * Probes `target` once. The promise always resolves, within `timeoutMs`, or twice that where a name has to be resolved
 * first, or at once when `signal` aborts. By then no descriptor, listener, timer or process of the probe is left.
 */
export type Check = (
  target: string,
  path: CheckPath,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<CheckResult>;

/** The result of a probe whose signal aborts, which says nothing about the WAN. */
export const CANCELLED: CheckResult = { ok: false, why: 'cancelled', inconclusive: true };

/** Ends the probe with a result; only the first call counts. */
export type Settle = (result: CheckResult) => void;

/** Milliseconds since a probe's start. */
export type Elapsed = () => number;

/**
 * The frame of every check: it sees to the time limit, to cancelling and to exactly one result.
 *
 * @param start begins the probe and returns a function that cleans up after it, which is called exactly once. An
 *   exception of `start` becomes the result.
 */
export function probe(
  timeoutMs: number,
  signal: AbortSignal,
  start: (settle: Settle, elapsed: Elapsed) => (() => void) | undefined,
): Promise<CheckResult> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(CANCELLED);
    const began = performance.now();
    let result: CheckResult | undefined;
    let cleanUp: (() => void) | undefined;
    const abort = () => settle(CANCELLED);
    const settle: Settle = (found) => {
      if (result !== undefined) return;
      result = found;
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      cleanUp?.();
      resolve(result);
    };
    const timer = setTimeout(() => settle({ ok: false, why: 'timeout' }), timeoutMs);
    signal.addEventListener('abort', abort);
    try {
      cleanUp = start(settle, () => performance.now() - began);
    } catch (error) {
      settle(failure(error));
    }
    // The probe was settled inside `start`, before the clean-up was known.
    if (result !== undefined) cleanUp?.();
  });
}

/**
 * Errors of this machine and not of the WAN: no descriptor, memory, buffer or port is left, a family or protocol that the kernel
 * or the service's limits do not have, a firewall rule of our own that drops what the router sends (EPERM), a clock that is
 * behind. EACCES is not among them, which ICMPv6 says for "administratively prohibited" (icmpv6_err_convert).
 */
const OF_MACHINE = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'ENOSPC',
  'ENOSR',
  'EAGAIN',
  'EPERM',
  'EADDRINUSE',
  'EAFNOSUPPORT',
  'EPROTONOSUPPORT',
  'ESOCKTNOSUPPORT',
  'ENOSYS',
  'ERR_MEMORY_ALLOCATION_FAILED',
  'CERT_NOT_YET_VALID',
  'ADDON_MISSING',
  'ADDON_BROKEN',
]);
/** The steps of a probe at which it has not got as far as the network. */
const BEFORE_NETWORK = new Set(['socket', 'mark', 'device', 'source', 'loop']);
/** What these steps say when the WAN's device or address is not there. */
const GONE = new Set(['ENODEV', 'ENXIO', 'EADDRNOTAVAIL']);

const WORDS: Readonly<Record<string, string>> = {
  ENODEV: 'no such device',
  ENXIO: 'no such device',
  EADDRNOTAVAIL: 'the source address is gone',
  ENETUNREACH: 'no route',
  ENETDOWN: 'device down',
  EHOSTUNREACH: 'host unreachable',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  ETIMEDOUT: 'timeout',
};

/** The result that an error with a `code` such as ENETUNREACH means. */
export function failure(error: unknown): CheckResult {
  const { code = '', message, step = '' } = error as { code?: string; message?: string; step?: string };
  const why = WORDS[code] || message?.split('\n', 1)[0] || String(error);
  const ofMachine = OF_MACHINE.has(code) || (BEFORE_NETWORK.has(step) && !GONE.has(code));
  return ofMachine ? { ok: false, why, inconclusive: true } : { ok: false, why };
}

/** Writes a time with its unit, such as `1.2 ms` or `12 ms`. */
export function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
