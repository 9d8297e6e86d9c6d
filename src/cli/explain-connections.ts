import type { Config } from '../config/config.js';
import { protocolName } from '../core/protocol.js';
import type { Packet } from '../plan/evaluate/packet.js';
import type { Connection } from '../system/rtnetlink/connections.js';

/** A connection that conntrack has, as `explain` shows it. Fields may be added, never renamed. */
export interface ConnectionShown {
  readonly proto: string;
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  /** Null where it belongs to none. */
  readonly wan: string | null;
  /** A TCP state, or whether somebody answered it. */
  readonly state: string;
  /** ISO 8601; null where the kernel does not note it (net.netfilter.nf_conntrack_timestamp). */
  readonly since: string | null;
  /** Bytes there and back; null where the kernel does not count them (net.netfilter.nf_conntrack_acct). */
  readonly bytes: { readonly out: number; readonly back: number } | null;
}

/**
 * The connections that a packet could belong to: those with its addresses, its protocol and, as far as they are given, its
 * ports. The newest come first, as far as that is known.
 */
export function matchingConnections(
  all: readonly Connection[],
  { proto, sport, dport }: Pick<Packet, 'proto' | 'sport' | 'dport'>,
  { wans, fields }: Pick<Config, 'wans' | 'fields'>,
): ConnectionShown[] {
  return all
    .filter(
      (one) =>
        one.proto === proto &&
        (sport === undefined || one.sport === sport) &&
        (dport === undefined || one.dport === dport),
    )
    .toSorted((a, b) => (b.since ?? 0) - (a.since ?? 0))
    .map(({ mark, tcpState, isAnswered, since, bytes, ...tuple }) => {
      const number = fields.wans.decode(mark);
      return {
        ...tuple,
        proto: protocolName(tuple.proto),
        wan: wans.find((wan) => wan.mark === number)?.name ?? null,
        state: tcpState ?? (isAnswered ? 'answered' : 'unanswered'),
        since: since === undefined ? null : new Date(since).toISOString(),
        bytes: bytes ?? null,
      };
    });
}
