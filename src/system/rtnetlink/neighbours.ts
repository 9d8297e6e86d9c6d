import { parseAddress } from '../../core/address.js';
import type { Family } from '../../core/family.js';
import { attribute, forEachAttribute, readAddress, readMac } from './attributes.js';
import { ADDRESS_FAMILY, forEachMessage, LITTLE_ENDIAN } from './messages.js';
import { dump, request } from './socket.js';

/** A neighbour whose hardware address is known. */
export interface Neighbour {
  /** The device's number. */
  readonly index: number;
  readonly address: string;
  readonly mac: string;
}

/** Message types of linux/rtnetlink.h. */
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
/** struct ndmsg of linux/neighbour.h: family, padding, index (at 4), state (at 8), flags (at 10), type (at 11). */
const NDMSG_BYTES = 12;
/** Attributes of linux/neighbour.h. */
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NUD_INCOMPLETE = 0x01;
const NUD_REACHABLE = 0x02;
const NUD_PROBE = 0x10;
const NUD_FAILED = 0x20;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
const NTF_USE = 0x01;
/** Flags of linux/netlink.h. */
const NLM_F_ACK = 0x4;
const NLM_F_REPLACE = 0x100;
const NLM_F_CREATE = 0x400;

/** The known neighbours of a family, in the kernel's order. @throws Error with `errno` */
export function dumpNeighbours(family: Family): Neighbour[] {
  const body = new Uint8Array(NDMSG_BYTES);
  body[0] = ADDRESS_FAMILY[family];
  return parseNeighbours(dump(RTM_GETNEIGH, body), family);
}

/**
 * The neighbours in the messages of a dump that have an Ethernet address. The kernel reports an address only while it
 * considers it valid (neigh_fill_info). Neighbours that need no resolving (NUD_NOARP, as multicast addresses) are left
 * out, as in `ip`.
 */
export function parseNeighbours(messages: Uint8Array, family: Family): Neighbour[] {
  const neighbours: Neighbour[] = [];
  forEachMessage(messages, RTM_NEWNEIGH, (view, start, end) => {
    if (end - start < NDMSG_BYTES || view.getUint8(start) !== ADDRESS_FAMILY[family]) return;
    const state = view.getUint16(start + 8, LITTLE_ENDIAN);
    if ((state & ~NUD_NOARP) === 0) return;
    let address: string | undefined;
    let mac: string | undefined;
    forEachAttribute(view, start + NDMSG_BYTES, end, (type, _, from, to) => {
      if (type === NDA_DST) address = readAddress(view, from, to);
      if (type === NDA_LLADDR) mac = readMac(view, from, to);
    });
    if (address === undefined || mac === undefined) return;
    neighbours.push({ index: view.getUint32(start + 4, LITTLE_ENDIAN), address, mac });
  });
  return neighbours;
}

/** The neighbours of a family that do not answer. @throws Error with `errno` */
export function dumpSilentNeighbours(family: Family): Pick<Neighbour, 'index' | 'address'>[] {
  const body = new Uint8Array(NDMSG_BYTES);
  body[0] = ADDRESS_FAMILY[family];
  return parseSilentNeighbours(dump(RTM_GETNEIGH, body), family);
}

/** The neighbours in the messages of a dump that the kernel asks without an answer so far, or has given up. */
export function parseSilentNeighbours(
  messages: Uint8Array,
  family: Family,
): Pick<Neighbour, 'index' | 'address'>[] {
  return neighboursIn(messages, family, NUD_INCOMPLETE | NUD_FAILED);
}

/**
 * The neighbours of a family that have answered within the last moments, or whose address somebody has set for good.
 * @throws Error with `errno`
 */
export function dumpAnsweringNeighbours(family: Family): Pick<Neighbour, 'index' | 'address'>[] {
  const body = new Uint8Array(NDMSG_BYTES);
  body[0] = ADDRESS_FAMILY[family];
  return neighboursIn(dump(RTM_GETNEIGH, body), family, NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP);
}

/** The neighbours in the messages of a dump that are in one of some states. @param states NUD_* bits */
function neighboursIn(
  messages: Uint8Array,
  family: Family,
  states: number,
): Pick<Neighbour, 'index' | 'address'>[] {
  const neighbours: Pick<Neighbour, 'index' | 'address'>[] = [];
  forEachMessage(messages, RTM_NEWNEIGH, (view, start, end) => {
    if (end - start < NDMSG_BYTES || view.getUint8(start) !== ADDRESS_FAMILY[family]) return;
    if ((view.getUint16(start + 8, LITTLE_ENDIAN) & states) === 0) return;
    forEachAttribute(view, start + NDMSG_BYTES, end, (type, _, from, to) => {
      const address = type === NDA_DST ? readAddress(view, from, to) : undefined;
      if (address !== undefined) {
        neighbours.push({ index: view.getUint32(start + 4, LITTLE_ENDIAN), address });
      }
    });
  });
  return neighbours;
}

/**
 * Makes the kernel ask a known neighbour at once whether it is still there, as `ip neigh change ADDRESS dev DEV nud
 * probe` does: up to three times (ucast_solicit), a second apart, then it has failed (neigh_timer_handler). Needs
 * CAP_NET_ADMIN.
 *
 * @param address in the form of {@link parseAddress}
 * @throws Error with `errno`: ENOENT where the neighbour is not known
 */
export function probeNeighbour(family: Family, address: string, index: number): void {
  const header = new Uint8Array(NDMSG_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(0, ADDRESS_FAMILY[family]);
  view.setUint32(4, index, LITTLE_ENDIAN);
  view.setUint16(8, NUD_PROBE, LITTLE_ENDIAN);
  const body = Buffer.concat([header, attribute(NDA_DST, parseAddress(address))]);
  request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_REPLACE, body);
}

/**
 * Makes the kernel resolve a neighbour as if a packet for it were waiting, as `ip neigh replace ADDRESS dev DEV use`
 * does (neigh_add: NTF_USE). Returns before the answer can be there. Needs CAP_NET_ADMIN.
 *
 * @param address in the form of {@link parseAddress}
 * @throws Error with `errno`
 */
export function resolveNeighbour(family: Family, address: string, index: number): void {
  const header = new Uint8Array(NDMSG_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(0, ADDRESS_FAMILY[family]);
  view.setUint32(4, index, LITTLE_ENDIAN);
  view.setUint8(10, NTF_USE);
  const body = Buffer.concat([header, attribute(NDA_DST, parseAddress(address))]);
  request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, body);
}
