import { FAMILIES } from './family.js';
import type { MemberParts } from './member.js';

/**
 * A mark without an uplink: only the user's own rules know where it leads. It carries both families and is always up.
 */
export interface BareMark {
  /** `mark1` and so on. */
  readonly name: string;
  /** The mark's number inside the mark field, 1..max of the field. */
  readonly mark: number;
  /** Share of new connections, relative to the other marks: 0 or more; 0 drains. */
  readonly weight: number;
  readonly tier: 1;
}

/** A bare mark as a member of a pool. */
export function markMember(mark: BareMark): MemberParts<BareMark> {
  return { target: { name: mark.name, families: FAMILIES }, candidate: mark };
}
