import { UsageError } from '../errors.js';

const MAX = 0xffff_ffff;

/**
 * A masked field of the 32-bit packet mark, and the numbers it can hold.
 *
 * Number `n` stands in the field as `n << shift`. 0 means "nobody has chosen", so usable numbers are 1..max.
 * Bits outside the mask belong to others (traffic shaping, VPNs) and survive every use.
 */
export class MarkField {
  readonly mask: number;
  readonly shift: number;
  /** The largest number the field holds. */
  readonly max: number;

  /**
   * @param mask 1..0xffffffff, one run of ones. @throws UsageError for 0, a mask with holes, or a number outside 32
   *   bits
   */
  constructor(mask: number) {
    if (!Number.isInteger(mask) || mask < 0 || mask > MAX) {
      throw new UsageError(`mask ${mask} is not a 32-bit number; use for example 0xff`);
    }
    if (mask === 0) throw new UsageError('mask 0 holds no mark; use for example 0xff');
    const shift = 31 - Math.clz32(mask & -mask);
    const max = mask >>> shift;
    if ((max & (max + 1)) !== 0) {
      throw new UsageError(`mask ${hex(mask)} has holes; use one run of bits, for example 0xff or 0xff00`);
    }
    this.mask = mask >>> 0;
    this.shift = shift;
    this.max = max;
  }

  /** The packet mark's bits for number `n` (1..max). */
  encode(n: number): number {
    return ((n << this.shift) & this.mask) >>> 0;
  }

  /** The number in a packet mark; 0 where nobody has chosen. */
  decode(mark: number): number {
    return (mark & this.mask) >>> this.shift;
  }

  /** The mark of number `n` under the mask, in the form that iptables takes: `0x200/0xff00`. */
  format(n: number): string {
    return `${hex(this.encode(n))}/${hex(this.mask)}`;
  }
}

/** A mark or mask the way iptables prints it. */
export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
