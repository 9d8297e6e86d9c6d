import { FAMILIES, type Family } from '../core/family.js';
import type { Plan } from './plan.js';

/** A set of networks that the kernel keeps, beside the rules that ask it. */
export interface HeldSet {
  /** At most 31 bytes (IPSET_MAXNAMELEN). */
  readonly name: string;
  readonly family: Family;
  /** Those of networks; clients come and go by themselves. */
  readonly elements: readonly string[];
}

/**
 * With more networks than this, one rule asks a set instead of a rule for each: every new connection passes all of these
 * rules, and each change writes them anew. Few networks stay rules, which anybody can read, and which need no ipset.
 */
export const MOST_LISTED = 64;

/** What the names of all our sets begin with, and nobody else's. */
export const HELD_PREFIX = 'WANMARK_';

/** The name of a family's set of networks that are left alone. */
export function heldSetName(family: Family): string {
  return `WANMARK_${family}`;
}

/** The sets that a plan wants the kernel to keep. */
export function heldSets({ families }: Pick<Plan, 'families'>): HeldSet[] {
  return FAMILIES.flatMap((family) =>
    [...families[family].sets.values()].flatMap(({ held, elements }) =>
      held === undefined ? [] : [{ name: held, family, elements }],
    ),
  );
}
