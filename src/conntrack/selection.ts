import type { Family } from '../core/family.js';

/** The direction a connection began in, before any translation. */
export interface Tuple {
  family: Family;
  /** 6 TCP, 17 UDP, or another protocol that has ports. */
  proto: number;
  src: string;
  dst: string;
  sport: number;
  dport: number;
}

/**
 * Which connections of a mark; all of them when nothing is given. `proto` and `unanswered` are alternatives: with both, a
 * connection is selected for which either holds. Everything else has to hold besides.
 */
export interface Selection {
  readonly family?: Family;
  /** Those of this IP protocol number. */
  readonly proto?: number;
  /** Those that never had an answer. */
  readonly unanswered?: boolean;
  /** Of the IPS_* bits in `statusMask`, exactly these are set. */
  readonly status?: number;
  readonly statusMask?: number;
  /** End no more than so many, 1 or more. */
  readonly most?: number;
}

/** Of connections that were ended one by one. */
export interface Flushed {
  /** How many were selected. */
  readonly found: number;
  /** Of how many of them the end was asked for: all, or `most`. */
  readonly ended: number;
}
