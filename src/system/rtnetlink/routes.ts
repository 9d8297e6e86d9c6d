import type { Family } from '../../core/family.js';
import {
  attribute,
  attributeEnd,
  attributeType,
  forEachAttribute,
  numberValue,
  RTATTR_BYTES,
  readAddress,
  readNumber,
} from './attributes.js';
import { ADDRESS_FAMILY, align, forEachMessage, LITTLE_ENDIAN } from './messages.js';
import { parseInSlices } from './slices.js';
import { dump, dumpLater } from './socket.js';

/** One way of a route: a struct rtnexthop, or the route's own attributes where it has only one way. */
export interface NextHop {
  /** The device's number; 0 where there is none, as for a route that leads nowhere. */
  readonly index: number;
  /** Undefined where the device reaches the destination directly. */
  readonly gateway: string | undefined;
  /** Whether the gateway is of the other family (RTA_VIA); `gateway` is undefined then. */
  readonly foreign: boolean;
  /** RTNH_F_DEAD: the kernel does not use this way at the moment. */
  readonly dead: boolean;
}

/** A route. */
export interface Route {
  /** `default`, a network or an address, as `ip` prints it: `10.0.0.0/8`, `172.16.5.4`. */
  readonly dst: string;
  /** Its RTN_* value. */
  readonly type: number;
  readonly table: number;
  /** RTM_F_CLONED: an exception that the kernel made itself, such as a smaller MTU. */
  readonly cloned: boolean;
  readonly metric: number;
  readonly hops: readonly NextHop[];
}

/** Message type of linux/rtnetlink.h. */
export const RTM_NEWROUTE = 24;
/** A request for routes (rtnetlink(7)). */
export const RTM_GETROUTE = 26;
/** Its number in linux/rtnetlink.h. */
export const RT_TABLE_MAIN = 254;
/** Types of routes (rtnetlink(7), rtm_type). */
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_UNREACHABLE = 7;
export const RTN_THROW = 9;
const RTM_F_CLONED = 0x200;
const RTNH_F_DEAD = 1;
/**
 * struct rtmsg of linux/rtnetlink.h: family, destination's length, source's length, TOS, table, protocol, scope, type,
 * flags (at 8).
 */
export const RTMSG_BYTES = 12;
/** struct rtnexthop of linux/rtnetlink.h: length, flags (at 2), hops, index (at 4). */
const RTNEXTHOP_BYTES = 8;
/** Attributes of a route (rtnetlink(7)). */
export const RTA_DST = 1;
export const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;

/** Selects the routes of a dump. */
export interface RouteFilter {
  readonly family: Family;
  /** Whether only default routes are wanted; the others then cost no more than a look at their headers. */
  readonly defaults?: boolean;
  /** Only routes with this RTPROT_* value. */
  readonly protocol?: number;
  /** Only routes with a way by the device of this number. */
  readonly device?: number;
}

/** The main table, in the kernel's order, without the kernel's own exceptions. @throws Error with `errno` */
export function dumpMain(filter: RouteFilter): Route[] {
  return dumpTable(filter, RT_TABLE_MAIN);
}

/** The main table as {@link dumpMain} has it, without holding the event loop up. @throws Error with `errno` */
export async function dumpMainLater(filter: RouteFilter): Promise<Route[]> {
  const messages = await dumpLater(RTM_GETROUTE, ofTable(filter.family, RT_TABLE_MAIN));
  return parseInSlices(messages, (slice) => routesOf(slice, filter, RT_TABLE_MAIN));
}

/** Any table; see {@link dumpMain}. @throws Error with `errno` */
export function dumpTable(filter: RouteFilter, table: number): Route[] {
  const { family, device } = filter;
  const question = ofTable(family, table);
  const asked =
    device === undefined ? question : Buffer.concat([question, attribute(RTA_OIF, numberValue(device))]);
  const routes = routesOf(dump(RTM_GETROUTE, asked), filter, table);
  if (device === undefined) return routes;
  // Kernels before 4.20 send those by all devices.
  return routes.filter(({ hops }) => hops.some(({ index }) => index === device));
}

function routesOf(messages: Uint8Array, filter: RouteFilter, table: number): Route[] {
  // Kernels before 4.20 send all tables.
  return parseRoutes(messages, filter).filter((route) => route.table === table && !route.cloned);
}

function ofTable(family: Family, table: number): Uint8Array {
  const body = new Uint8Array(RTMSG_BYTES);
  body[0] = ADDRESS_FAMILY[family];
  return Buffer.concat([body, attribute(RTA_TABLE, numberValue(table))]);
}

/** The routes of a protocol in all tables, without holding the event loop up. @throws Error with `errno` */
export async function dumpOfProtocolLater(family: Family, protocol: number): Promise<Route[]> {
  const body = new Uint8Array(RTMSG_BYTES);
  body[0] = ADDRESS_FAMILY[family];
  body[5] = protocol;
  const messages = await dumpLater(RTM_GETROUTE, body);
  return parseInSlices(messages, (slice) => parseRoutes(slice, { family, protocol }));
}

/** Whether a table holds a route of another protocol than this one. @throws Error with `errno` */
export function holdsForeign(family: Family, table: number, protocol: number): boolean {
  const messages = dump(RTM_GETROUTE, ofTable(family, table));
  let found = false;
  forEachMessage(messages, RTM_NEWROUTE, (view, start, end) => {
    if (end - start < RTMSG_BYTES || view.getUint8(start + 5) === protocol) return;
    let actual = view.getUint8(start + 4);
    forEachAttribute(view, start + RTMSG_BYTES, end, (type, _, from, to) => {
      if (type === RTA_TABLE) actual = readNumber(view, from, to);
    });
    // Kernels before 4.20 send all tables.
    found ||= actual === table;
  });
  return found;
}

/** Whether a table has a default route that does not ask the next table. @throws Error with `errno` */
export function hasDefaultRoute(family: Family, table: number): boolean {
  const messages = dump(RTM_GETROUTE, ofTable(family, table));
  const routes = parseRoutes(messages, { family, defaults: true });
  // Kernels before 4.20 send all tables.
  return routes.some((route) => route.table === table && route.dst === 'default' && route.type !== RTN_THROW);
}

/** The routes in the messages of a dump. */
export function parseRoutes(
  messages: Uint8Array,
  { family, defaults = false, protocol }: RouteFilter,
): Route[] {
  const routes: Route[] = [];
  forEachMessage(messages, RTM_NEWROUTE, (view, start, end) => {
    if (end - start < RTMSG_BYTES || view.getUint8(start) !== ADDRESS_FAMILY[family]) return;
    if (protocol !== undefined && view.getUint8(start + 5) !== protocol) return;
    const length = view.getUint8(start + 1);
    if (!defaults || length === 0) routes.push(parseRoute(view, start, end, family, length));
  });
  return routes;
}

/** The route in a message, which is at least RTMSG_BYTES long. */
export function parseRouteMessage(view: DataView, start: number, end: number, family: Family): Route {
  return parseRoute(view, start, end, family, view.getUint8(start + 1));
}

/** One pass without an object for each attribute, since a router that speaks BGP has a hundred thousand routes. */
function parseRoute(view: DataView, start: number, end: number, family: Family, length: number): Route {
  const flags = view.getUint32(start + 8, LITTLE_ENDIAN);
  let dst: string | undefined;
  let table = view.getUint8(start + 4);
  let metric = 0;
  let index = 0;
  let gateway: string | undefined;
  let foreign = false;
  let multipath: NextHop[] | undefined;
  for (let at = start + RTMSG_BYTES, next = 0; ; at = align(next)) {
    next = attributeEnd(view, at, end);
    if (next === 0) break;
    const from = at + RTATTR_BYTES;
    switch (attributeType(view, at)) {
      case RTA_DST:
        dst = readAddress(view, from, next);
        break;
      case RTA_OIF:
        index = readNumber(view, from, next);
        break;
      case RTA_GATEWAY:
        gateway = readAddress(view, from, next);
        break;
      case RTA_PRIORITY:
        metric = readNumber(view, from, next);
        break;
      case RTA_MULTIPATH:
        multipath = parseHops(view, from, next);
        break;
      case RTA_TABLE:
        table = readNumber(view, from, next);
        break;
      case RTA_VIA:
        foreign = true;
        break;
    }
  }
  return {
    dst: formatDestination(dst, length, family),
    type: view.getUint8(start + 7),
    table,
    cloned: (flags & RTM_F_CLONED) !== 0,
    metric,
    hops: multipath ?? [{ index, gateway, foreign, dead: (flags & RTNH_F_DEAD) !== 0 }],
  };
}

function formatDestination(dst: string | undefined, length: number, family: Family): string {
  if (dst === undefined) return length === 0 ? 'default' : `0/${length}`;
  return length === (family === 4 ? 32 : 128) ? dst : `${dst}/${length}`;
}

function parseHops(view: DataView, start: number, end: number): NextHop[] {
  const hops: NextHop[] = [];
  for (let at = start; at + RTNEXTHOP_BYTES <= end; ) {
    const length = view.getUint16(at, LITTLE_ENDIAN);
    if (length < RTNEXTHOP_BYTES || at + length > end) return hops;
    const index = view.getUint32(at + 4, LITTLE_ENDIAN);
    hops.push(parseHop(view, at + RTNEXTHOP_BYTES, at + length, index, view.getUint8(at + 2)));
    at += align(length);
  }
  return hops;
}

function parseHop(view: DataView, start: number, end: number, index: number, flags: number): NextHop {
  let gateway: string | undefined;
  let foreign = false;
  forEachAttribute(view, start, end, (type, _, from, to) => {
    if (type === RTA_GATEWAY) gateway = readAddress(view, from, to);
    else if (type === RTA_VIA) foreign = true;
  });
  return { index, gateway, foreign, dead: (flags & RTNH_F_DEAD) !== 0 };
}
