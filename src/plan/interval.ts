import { parseAddress } from '../core/address.js';
import { parseNetwork } from './network.js';

/** All addresses of a family from one to another, as bytes of equal length. */
export interface Interval {
  readonly low: Buffer;
  readonly high: Buffer;
}

/** The addresses of `10.0.0.0/8`, `10.0.0.5` or `10.0.0.5-10.0.0.9`; undefined for anything else. */
export function parsedInterval(text: string): Interval | undefined {
  const [first = '', last] = text.split('-');
  if (last !== undefined)
    return { low: Buffer.from(parseAddress(first)), high: Buffer.from(parseAddress(last)) };
  const network = parseNetwork(text);
  if (network === undefined) return undefined;
  const low = Buffer.from(parseAddress(text.split('/', 1)[0]!));
  const high = Buffer.from(
    low.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, network.bits.length - 8 * i)))),
  );
  return { low, high };
}

/** Whether all of the inner interval is in the outer one. */
export function includesInterval(outer: Interval, inner: Interval): boolean {
  return (
    outer.low.length === inner.low.length &&
    Buffer.compare(outer.low, inner.low) <= 0 &&
    Buffer.compare(inner.high, outer.high) <= 0
  );
}

/** Whether two intervals have an address in common. */
export function meets(a: Interval, b: Interval): boolean {
  return (
    a.low.length === b.low.length && Buffer.compare(a.low, b.high) <= 0 && Buffer.compare(b.low, a.high) <= 0
  );
}
