import type { Entry } from '../../conntrack/requests.js';
import { TCP } from '../../core/protocol.js';

/** IPS_SEEN_REPLY (linux/netfilter/nf_conntrack_common.h). */
const SEEN_REPLY = 1 << 1;

/** Whether a connection was answered; undefined when its entry says nothing about that. */
export type Answered = boolean | undefined;

/**
 * Whether a connection was answered, by its conntrack entry. UDP without a reply says nothing, since some protocols,
 * like syslog, never reply; nor does an entry that is gone, which somebody may have deleted.
 */
export function isAnswered(proto: number, entry: Pick<Entry, 'status' | 'tcpState'> | undefined): Answered {
  if (entry === undefined) return undefined;
  if ((entry.status & SEEN_REPLY) !== 0) return true;
  return proto === TCP && entry.tcpState === 'SYN_SENT' ? false : undefined;
}
