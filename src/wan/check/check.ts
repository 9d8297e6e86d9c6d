/** The way a probe takes: out of one WAN, whatever the router's main table says. */
export interface CheckPath {
  /** Name of the WAN. */
  readonly wan: string;
  readonly family: Family;
  /** Its mark, shifted into the field: `ip rule fwmark` routes the probe by it. */
  readonly mark: number;
  /** Undefined: the mark alone chooses. */
  readonly device: string | undefined;
  /** Undefined: the kernel chooses by the route. */
  readonly source?: string | undefined;
  /** An address, or `dev` where none is needed; told to scripts. */
  readonly gateway?: string | undefined;
}

import type { Family } from '../../core/family.js';

/** What one probe of one target found. */
export interface CheckResult {
  readonly ok: boolean;
  /** Round trip in milliseconds, where the check has one. */
  readonly rttMs?: number;
  /** A few words: `timeout`, `status 302 (captive portal?)`, or how it went well. */
  readonly why: string;
  /** Set when this says nothing of the WAN: no descriptors left, or a name that nobody could resolve. */
  readonly inconclusive?: true;
}

/**
 * Probes `target` once. Always resolves, within `timeoutMs` or at once when `signal` aborts, and then leaves nothing
 * behind: no descriptor, listener, timer or process.
 */
export type Check = (
  target: string,
  path: CheckPath,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<CheckResult>;

export const CANCELLED: CheckResult = { ok: false, why: 'cancelled', inconclusive: true };

/** Ends the probe; only the first call counts. */
export type Settle = (result: CheckResult) => void;

/** Milliseconds since a probe's start. */
export type Elapsed = () => number;

/**
 * The frame of every check: time limit, cancelling, and one result.
 *
 * @param start begins the probe; what it returns takes everything of it away, and is called exactly once. What it
 *   throws becomes the result.
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
    // It settled before there was anything to call.
    if (result !== undefined) cleanUp?.();
  });
}

/** Errors of this machine, not of the WAN. EPERM and EACCES: the daemon lacks a capability. */
const LOCAL = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EAGAIN',
  'EPERM',
  'EACCES',
  'ADDON_MISSING',
]);

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
  const { code, message } = error as { code?: string; message?: string };
  const why = (code !== undefined && WORDS[code]) || message?.split('\n', 1)[0] || String(error);
  return code !== undefined && LOCAL.has(code) ? { ok: false, why, inconclusive: true } : { ok: false, why };
}

/** `12.3 ms` */
export function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
