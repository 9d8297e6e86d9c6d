import { readFileSync } from 'node:fs';
import { SystemError } from '../errors.js';

/** Bit 12 of a set of capabilities, capabilities(7). */
const CAP_NET_ADMIN = 12n;

/**
 * Whether a process may change rules and routes. Its user id says nothing: a service may have the capability without root,
 * and a container has root without it.
 * @param status the text of /proc/PID/status
 */
export function hasNetAdmin(status: string): boolean {
  const set = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${set}`) >> CAP_NET_ADMIN) & 1n) === 1n;
}

/** @throws SystemError where this process may not change rules and routes */
export function needNetAdmin(): void {
  if (hasNetAdmin(readFileSync('/proc/self/status', 'utf8'))) return;
  throw new SystemError('NO_PRIVILEGE', 'needs CAP_NET_ADMIN; run it as root (sudo)');
}
