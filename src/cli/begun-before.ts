import { flush } from '../conntrack/requests.js';
import type { MarkField } from '../core/mark.js';
import { SystemError } from '../errors.js';

/** Bits of a connection's status (linux/netfilter/nf_conntrack_common.h). */
const [EXPECTED, SEEN_REPLY, TRANSLATED] = [1 << 0, 1 << 1, (1 << 4) | (1 << 5)];

/**
 * Makes conntrack forget what began before the rules were there and has had no answer. Whether a connection is translated
 * is settled by its first packet, so a phone that keeps sending from one port would have its private address for as long
 * as it goes on. Its next packet begins anew.
 *
 * What was answered works as it is; what somebody translates, or a helper expects, is somebody else's matter.
 *
 * @returns why it could not be done; undefined where it was
 */
export async function forgetBegunBefore({ mask }: MarkField): Promise<string | undefined> {
  try {
    await flush(0, mask, { status: 0, statusMask: EXPECTED | SEEN_REPLY | TRANSLATED });
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return (
      `what began before and has no answer yet stays untranslated: ${error.message}; ` +
      "or run 'conntrack -D -p udp' once"
    );
  }
  return undefined;
}
