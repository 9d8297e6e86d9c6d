import { endianness } from 'node:os';
import type { Family } from '../../core/family.js';

/** Netlink's numbers are in the byte order of the machine. */
export const LITTLE_ENDIAN = endianness() === 'LE';

/** struct nlmsghdr of linux/netlink.h: length, type, flags, sequence, port. */
const NLMSGHDR_BYTES = 16;

/** AF_INET and AF_INET6 of bits/socket.h. */
export const ADDRESS_FAMILY: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };

/** The payload of a message: `view` from `start` up to `end`. */
export type VisitMessage = (view: DataView, start: number, end: number) => void;

/**
 * Calls `visit` with the payload of each message of `type`. Ends at the first message that is not whole, so a payload
 * is always inside `bytes`.
 */
export function forEachMessage(bytes: Uint8Array, type: number, visit: VisitMessage): void {
  forEachMessageOf(bytes, (kind, view, start, end) => {
    if (kind === type) visit(view, start, end);
  });
}

/** Calls `visit` with the type and payload of each message; ends as {@link forEachMessage} does. */
export function forEachMessageOf(
  bytes: Uint8Array,
  visit: (type: number, ...payload: Parameters<VisitMessage>) => void,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + NLMSGHDR_BYTES <= bytes.length; ) {
    const length = view.getUint32(at, LITTLE_ENDIAN);
    if (length < NLMSGHDR_BYTES || at + length > bytes.length) return;
    visit(view.getUint16(at + 4, LITTLE_ENDIAN), view, at + NLMSGHDR_BYTES, at + length);
    at += align(length);
  }
}

/** NLMSG_ALIGN and RTA_ALIGN: the next multiple of 4. */
export function align(length: number): number {
  return (length + 3) & ~3;
}
