import type { Match, Rule } from './plan.js';

/** The matches and rules that several parts of a plan use. */

/** Goes back to the chain that led here, and behind its end to the policy of the kernel's hook. */
export const RETURN = { kind: 'return' } as const;

/** Matches a packet for which nobody has chosen yet. */
export const undecided = (mask: number): Match => ({ kind: 'mark', bits: { value: 0, mask } });

/** Matches a packet for which somebody has chosen. */
export const decided = (mask: number): Match => ({ kind: 'mark', bits: { value: 0, mask }, not: true });

/** A match: the packet's mark has these bits. */
export const hasMark = (value: number, mask: number): Match => ({ kind: 'mark', bits: { value, mask } });

/** A match: the connection's mark (connmark) has these bits. */
export const connection = (value: number, mask: number): Match => ({
  kind: 'connmark',
  bits: { value, mask },
});

/** A match: the packet came in by this device. */
export const comesBy = (device: string): Match => ({ kind: 'in', device });

/** A match: the packet leaves by this device. */
export const leavesBy = (device: string): Match => ({ kind: 'out', device });

/** A match: no answer to the connection has been seen (conntrack's state NEW). */
export const NEW: Match = { kind: 'state', state: 'new' };

/** Matches a new connection that is not an answer to one that conntrack knows from the other side. */
export const NEW_ORIGINAL: Match = { kind: 'state', state: 'new', direction: 'original' };

/** Matches a packet that IPsec is going to encrypt, where its route is known. */
export const INTO_IPSEC: Match = { kind: 'ipsec', direction: 'out' };

/** Matches a packet that came out of IPsec. */
export const OUT_OF_IPSEC: Match = { kind: 'ipsec', direction: 'in' };

/** A match: the destination is an address of the router. */
export const TO_LOCAL: Match = { kind: 'destination-type', type: 'local' };

/** A match: the source is no address of the router. */
export const FROM_OTHERS: Match = { kind: 'source-type', type: 'local', not: true };

/** A match: the source is an address of the router. */
export const FROM_LOCAL: Match = { kind: 'source-type', type: 'local' };

/** Ends the chain for packets that match. */
export const leave = (...when: Match[]): Rule => ({ when, action: RETURN });

/**
 * A packet that a rule of somebody else exempts keeps its mark as it is, and so does its connection: the mark that comes
 * back from there is what strict rp_filter looks up.
 */
export const EXEMPT: Rule = leave({ kind: 'mark-in', set: 'exempt' });

/** A packet that an ip rule of somebody else leads by its mark is none of ours. */
export const LED: Rule = leave({ kind: 'mark-in', set: 'led' });

/** A prefix in the kernel's log has at most 29 bytes (nf_log_common), so a long name is cut. */
const LOG_PREFIX_BYTES = 29;

/** `wanmark NAME TAIL `, with as much of the name as fits. */
export function logPrefix(name: string, tail: string): string {
  const room = LOG_PREFIX_BYTES - 'wanmark   '.length - tail.length;
  return `wanmark ${name.slice(0, room)} ${tail} `;
}
