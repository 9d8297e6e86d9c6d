import { FAMILIES, type Family } from '../../core/family.js';
import { forEachAttribute, readNumber, readText } from './attributes.js';
import { ADDRESS_FAMILY, forEachMessageOf, LITTLE_ENDIAN } from './messages.js';
import { parseRouteMessage, RTMSG_BYTES, RTN_THROW } from './routes.js';

/** A change that rtnetlink told of. */
export type Change =
  /** `lost`: the device went, or is switched off. */
  | { readonly kind: 'link'; readonly index: number; readonly device: string; readonly lost: boolean }
  | { readonly kind: 'address'; readonly index: number; readonly lost: boolean }
  | { readonly kind: 'rule' }
  /** A nexthop object (`ip nexthop`): routes by it change, or go, without a word about them. */
  | { readonly kind: 'nexthop' }
  | {
      readonly kind: 'route';
      readonly family: Family;
      readonly table: number;
      /** `default`, a network or an address. */
      readonly dst: string;
      /** The numbers of the devices by which it needs no gateway. */
      readonly direct: readonly number[];
      /** Whether it came, or was replaced, and leads somewhere: a `throw` route does not. */
      readonly leads: boolean;
    };

/** Messages of linux/rtnetlink.h; the one for what goes follows the one for what comes. */
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
const RTM_NEWNEXTHOP = 104;
const RTM_DELNEXTHOP = 105;
const IFINFOMSG_BYTES = 16;
const IFADDRMSG_BYTES = 8;
const IFLA_IFNAME = 3;
const IFF_UP = 1;

/** The changes in the messages of a subscription; exceptions that the kernel made itself are left out. */
export function parseChanges(messages: Uint8Array): Change[] {
  const changes: Change[] = [];
  forEachMessageOf(messages, (type, view, start, end) => {
    const change = parseChange(type, view, start, end);
    if (change !== undefined) changes.push(change);
  });
  return changes;
}

function parseChange(type: number, view: DataView, start: number, end: number): Change | undefined {
  const bytes = end - start;
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      if (bytes < IFINFOMSG_BYTES) return undefined;
      let device = '';
      forEachAttribute(view, start + IFINFOMSG_BYTES, end, (kind, _, from, to) => {
        if (kind === IFLA_IFNAME) device = readText(view, from, to);
      });
      const lost = type === RTM_DELLINK || (view.getUint32(start + 8, LITTLE_ENDIAN) & IFF_UP) === 0;
      return { kind: 'link', index: view.getUint32(start + 4, LITTLE_ENDIAN), device, lost };
    }
    case RTM_NEWADDR:
    case RTM_DELADDR:
      if (bytes < IFADDRMSG_BYTES) return undefined;
      return {
        kind: 'address',
        index: readNumber(view, start + 4, end),
        lost: type === RTM_DELADDR,
      };
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const family = FAMILIES.find(
        (one) => bytes >= RTMSG_BYTES && ADDRESS_FAMILY[one] === view.getUint8(start),
      );
      if (family === undefined) return undefined;
      const { table, dst, cloned, hops, type: way } = parseRouteMessage(view, start, end, family);
      if (cloned) return undefined;
      return {
        kind: 'route',
        family,
        table,
        dst,
        direct: hops.filter(({ gateway, foreign }) => !gateway && !foreign).map(({ index }) => index),
        leads: type === RTM_NEWROUTE && way !== RTN_THROW,
      };
    }
    case RTM_NEWRULE:
    case RTM_DELRULE:
      return { kind: 'rule' };
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
      return { kind: 'nexthop' };
    default:
      return undefined;
  }
}
