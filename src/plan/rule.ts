import type { Match, Rule } from './plan.js';

/** The matches and rules that several parts of a plan use. */

export const RETURN = { kind: 'return' } as const;

/** Matches a packet for which nobody has chosen yet. */
export const undecided = (mask: number): Match => ({ kind: 'mark', bits: { value: 0, mask } });

/** Matches a packet for which somebody has chosen. */
export const decided = (mask: number): Match => ({ kind: 'mark', bits: { value: 0, mask }, not: true });

export const hasMark = (value: number, mask: number): Match => ({ kind: 'mark', bits: { value, mask } });

export const connection = (value: number, mask: number): Match => ({
  kind: 'connmark',
  bits: { value, mask },
});

export const comesBy = (device: string): Match => ({ kind: 'in', device });

export const leavesBy = (device: string): Match => ({ kind: 'out', device });

export const NEW: Match = { kind: 'state', state: 'new' };

/** Matches a new connection that is not an answer to one that conntrack knows from the other side. */
export const NEW_ORIGINAL: Match = { kind: 'state', state: 'new', direction: 'original' };

export const TO_LOCAL: Match = { kind: 'destination-type', type: 'local' };

export const FROM_OTHERS: Match = { kind: 'source-type', type: 'local', not: true };

/** Ends the chain for packets that match. */
export const leave = (...when: Match[]): Rule => ({ when, action: RETURN });

/** A prefix in the kernel's log has at most 29 bytes (nf_log_common), so a long name is cut. */
const LOG_PREFIX_BYTES = 29;

/** `wanmark NAME TAIL `, with as much of the name as fits. */
export function logPrefix(name: string, tail: string): string {
  const room = LOG_PREFIX_BYTES - 'wanmark   '.length - tail.length;
  return `wanmark ${name.slice(0, room)} ${tail} `;
}
