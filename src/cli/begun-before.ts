import type { Config } from '../config/config.js';
import { flush } from '../conntrack/requests.js';
import { FAMILIES } from '../core/family.js';
import { blocksOf } from '../core/mark-blocks.js';
import { natOf } from '../core/wan.js';
import { SystemError } from '../errors.js';

/** Bits of a connection's status (linux/netfilter/nf_conntrack_common.h). */
const [EXPECTED, SEEN_REPLY, TRANSLATED] = [1 << 0, 1 << 1, (1 << 4) | (1 << 5)];

/**
 * Makes conntrack forget what began before the rules were there and has had no answer. Whether a connection is translated
 * is settled by its first packet, so a phone that keeps sending from one port would have its private address for as long
 * as it goes on. Its next packet begins anew.
 *
 * What was answered works as it is; what somebody translates, or a helper expects, is somebody else's matter. What sends
 * while the rules are being made can have a WAN's mark by now, and is still not translated, though that WAN translates.
 *
 * @returns why it could not be done; undefined where it was
 */
export async function forgetBegunBefore(
  { wans, fields }: Pick<Config, 'wans' | 'fields'>,
  forget: typeof flush = flush,
): Promise<string | undefined> {
  try {
    const begun = { status: 0, statusMask: EXPECTED | SEEN_REPLY | TRANSLATED };
    for (const family of FAMILIES) {
      // A number of nobody's is somebody else's, and so is the connection.
      const translated = wans.filter((wan) => natOf(wan, family) !== 'none').map(({ mark }) => mark);
      for (const { mark, mask } of blocksOf([0, ...translated], fields.wans))
        await forget(mark, mask, { ...begun, family });
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return (
      `what began before and has no answer yet stays untranslated: ${error.message}; ` +
      "or run 'conntrack -D -p udp' once"
    );
  }
  return undefined;
}
