import type { Family } from './family.js';

/** Which connections are asked for; what is left out does not matter. */
export interface ConnectionQuery {
  /** A WAN's name. */
  readonly wan?: string;
  /** The address of a client, as the connection began with it, or a network. */
  readonly client?: string;
  /** A policy's name. */
  readonly policy?: string;
  /** The most that are listed; 1 or more. */
  readonly limit: number;
}

/** A live connection by a WAN. Fields may be added, never renamed. */
export interface ListedConnection {
  readonly family: Family;
  /** The name of its protocol, or its number. */
  readonly proto: string;
  readonly src: string;
  /** 0 where the protocol has none, as `dport`. */
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  readonly wan: string;
  /**
   * The policy of the rule that is for it; null where that cannot be told from the connection alone, or it did not leave by
   * the WAN.
   */
  readonly policy: string | null;
  /** A TCP state, `answered` or `unanswered`. */
  readonly state: string;
  /** ISO 8601; null where the kernel does not note it (net.netfilter.nf_conntrack_timestamp). */
  readonly since: string | null;
  /** Bytes there and back; null where the kernel does not count them (net.netfilter.nf_conntrack_acct). */
  readonly bytes: { readonly out: number; readonly back: number } | null;
}

/** What was found. Fields may be added, never renamed. */
export interface ConnectionList {
  /** How many there are that were asked for; more than are listed where `limit` was reached. */
  readonly found: number;
  /** The newest first, as far as that is known. */
  readonly connections: readonly ListedConnection[];
}
