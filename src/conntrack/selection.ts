import type { Family } from '../core/family.js';

/**
 * Selects among the connections of a mark; all of them when nothing is given. `proto` and `unanswered` are
 * alternatives: with both, a connection is selected when either holds. Every other condition must hold as well.
 */
export interface Selection {
  readonly family?: Family;
  /** Selects connections of this IP protocol number. */
  readonly proto?: number;
  /** Selects connections that never had an answer. */
  readonly unanswered?: boolean;
  /** The IPS_* bits that must be set among those in `statusMask`; the others in it must be clear. */
  readonly status?: number;
  readonly statusMask?: number;
  /** The most connections to end, 1 or more. */
  readonly most?: number;
}

/** The result of ending connections one by one. */
export interface Flushed {
  /** How many connections were selected. */
  readonly found: number;
  /** How many of them the kernel was asked to end: all, or `most`. */
  readonly ended: number;
}
