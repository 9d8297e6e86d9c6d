import type { Family } from '../core/family.js';
import { UsageError } from '../errors.js';
import { rejectOthers } from './query.js';

/** The most connections of one answer, and how many it has by default. */
export const MOST_CONNECTIONS = 1000;
export const DEFAULT_CONNECTIONS = 100;

/** Which connections are asked for; what is left out does not matter. */
export interface ConnectionQuery {
  /** A WAN's name. */
  readonly wan?: string;
  /** The address of a client, as the connection began with it, or a network. */
  readonly client?: string;
  /** A policy's name. */
  readonly policy?: string;
  /** 1 to {@link MOST_CONNECTIONS}. */
  readonly limit: number;
}

/** A live connection by a WAN. Fields may be added, never renamed. */
export interface ConnectionV1 {
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

/** The answer to `GET /v1/connections`. Fields may be added, never renamed. */
export interface ConnectionsV1 {
  readonly api: 1;
  /** How many there are that were asked for; more than are listed where `limit` was reached. */
  readonly found: number;
  /** The newest first, as far as that is known. */
  readonly connections: readonly ConnectionV1[];
}

/** @throws UsageError */
export function parseConnectionQuery(query: URLSearchParams): ConnectionQuery {
  rejectOthers(query, ['wan', 'client', 'policy', 'limit']);
  const limit = query.get('limit') ?? String(DEFAULT_CONNECTIONS);
  const number = /^\d{1,4}$/.test(limit) ? Number(limit) : 0;
  if (number < 1 || number > MOST_CONNECTIONS) throw new UsageError(`limit must be 1 to ${MOST_CONNECTIONS}`);
  const text = (name: 'wan' | 'client' | 'policy') => {
    const value = query.get(name);
    return value === null ? {} : { [name]: value };
  };
  return { ...text('wan'), ...text('client'), ...text('policy'), limit: number };
}
