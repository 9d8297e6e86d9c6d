import { formatAddress } from '../../core/address.js';
import { align, LITTLE_ENDIAN } from './messages.js';

/** struct rtattr of linux/rtnetlink.h: length, type; the same as nlattr. */
export const RTATTR_BYTES = 4;
/** NLA_TYPE_MASK of linux/netlink.h: without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;

/** The value of an attribute: `view` from `start` up to `end`. */
export type VisitAttribute = (type: number, view: DataView, start: number, end: number) => void;

/**
 * Calls `visit` for each attribute between two places of a message, in their order. Ends at the first attribute that is
 * not whole, so a value is always inside the message.
 */
export function forEachAttribute(view: DataView, start: number, end: number, visit: VisitAttribute): void {
  for (let at = start, next = 0; ; at = align(next)) {
    next = attributeEnd(view, at, end);
    if (next === 0) return;
    visit(attributeType(view, at), view, at + RTATTR_BYTES, next);
  }
}

/**
 * Where the attribute at `at` ends, before its padding; 0 where it is not whole. With {@link attributeType} it goes through
 * thousands of messages without an object for each: the value begins {@link RTATTR_BYTES} behind `at`, and the next
 * attribute at {@link align} of the end, as messages begin at multiples of 4.
 */
export function attributeEnd(view: DataView, at: number, end: number): number {
  if (at + RTATTR_BYTES > end) return 0;
  const length = view.getUint16(at, LITTLE_ENDIAN);
  return length < RTATTR_BYTES || at + length > end ? 0 : at + length;
}

/** The type of the attribute at a place, without the flags of its two highest bits (struct nlattr, nla_type). */
export function attributeType(view: DataView, at: number): number {
  return view.getUint16(at + 2, LITTLE_ENDIAN) & TYPE_MASK;
}

/** A 32-bit number; 0 where the value is too short for one. */
export function readNumber(view: DataView, start: number, end: number): number {
  return end - start >= 4 ? view.getUint32(start, LITTLE_ENDIAN) : 0;
}

/** An address of 4 or 16 bytes; undefined for any other length. */
export function readAddress(view: DataView, start: number, end: number): string | undefined {
  const length = end - start;
  if (length === 4) {
    const byte = (i: number) => view.getUint8(start + i);
    return `${byte(0)}.${byte(1)}.${byte(2)}.${byte(3)}`;
  }
  return length === 16 ? formatAddress(bytesOf(view, start, end), 0, 6) : undefined;
}

/** Text up to its closing 0. */
export function readText(view: DataView, start: number, end: number): string {
  const bytes = bytesOf(view, start, end);
  const zero = bytes.indexOf(0);
  return Buffer.from(zero < 0 ? bytes : bytes.subarray(0, zero)).toString();
}

/** An Ethernet address, `02:00:00:00:00:01`; undefined where it does not have 6 bytes. */
export function readMac(view: DataView, start: number, end: number): string | undefined {
  if (end - start !== 6) return undefined;
  return Array.from(bytesOf(view, start, end), (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** An attribute in the form that a request holds. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(RTATTR_BYTES + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, RTATTR_BYTES + value.length, LITTLE_ENDIAN);
  view.setUint16(2, type, LITTLE_ENDIAN);
  bytes.set(value, RTATTR_BYTES);
  return bytes;
}

/** A 32-bit number as a value for {@link attribute}. */
export function numberValue(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number, LITTLE_ENDIAN);
  return bytes;
}

function bytesOf(view: DataView, start: number, end: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + start, end - start);
}
