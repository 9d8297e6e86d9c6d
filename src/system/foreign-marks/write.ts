/** A rule of somebody else that writes a mark: `mark = (mark & ~mask) ^ value`. */
export interface MarkWrite {
  /** The program, table and chain. */
  readonly where: string;
  /** The part of the rule that writes. */
  readonly text: string;
  readonly of: 'packet' | 'connection';
  /** Undefined where it is not a constant. */
  readonly value: number | undefined;
  /** All bits that can change. */
  readonly mask: number;
  /** Whether it acts before our rules in mangle, or where the packet's mark has done its work. */
  readonly early: boolean;
  /** Given where it copies the one mark to the other at a place where that does harm. */
  readonly copies?: 'before us' | 'after the route';
}

/** The mask of a write that leaves no bit as it was. */
export const ALL_BITS = 0xffff_ffff;
