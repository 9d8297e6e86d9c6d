import type { ByteCount } from '../../core/byte-meter.js';
import { attribute, forEachAttribute } from './attributes.js';
import { forEachMessage, LITTLE_ENDIAN } from './messages.js';
import { request } from './socket.js';

/** Message types of linux/rtnetlink.h. */
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
/** struct ifinfomsg of linux/rtnetlink.h. */
const IFINFOMSG_BYTES = 16;
/** Attributes of linux/if_link.h. */
const IFLA_IFNAME = 3;
const IFLA_STATS64 = 23;
/** Places in struct rtnl_link_stats64 of linux/if_link.h. */
const RX_BYTES = 16;
const TX_BYTES = 24;
const STATS_BYTES = 32;

/**
 * What a device has received and sent since it was made, as it counts itself: with the headers of its link, and with all that
 * is no connection. Undefined where there is no such device, or it does not answer. It takes some 20 us.
 */
export function linkBytes(device: string): ByteCount | undefined {
  const name = attribute(IFLA_IFNAME, Buffer.from(`${device}\0`));
  try {
    return parseBytes(request(RTM_GETLINK, 0, Buffer.concat([new Uint8Array(IFINFOMSG_BYTES), name])));
  } catch {
    return undefined;
  }
}

/** The counters in a message about one device; undefined where it has none. */
export function parseBytes(message: Uint8Array): ByteCount | undefined {
  let found: ByteCount | undefined;
  forEachMessage(message, RTM_NEWLINK, (view, start, end) => {
    forEachAttribute(view, start + IFINFOMSG_BYTES, end, (type, _, from, to) => {
      if (type !== IFLA_STATS64 || to - from < STATS_BYTES) return;
      const number = (at: number) => Number(view.getBigUint64(from + at, LITTLE_ENDIAN));
      found = { in: number(RX_BYTES), out: number(TX_BYTES) };
    });
  });
  return found;
}
