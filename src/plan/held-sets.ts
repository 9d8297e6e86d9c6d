import { FAMILIES, type Family } from '../core/family.js';
import type { Plan } from './plan.js';

/** A set of networks that the kernel keeps, beside the rules that ask it. */
export interface HeldSet {
  readonly family: Family;
  readonly elements: readonly string[];
}

/**
 * With more networks than this, one rule asks a set instead of a rule for each: every new connection passes all of these
 * rules, and each change writes them anew. Few networks stay rules, which anybody can read, and which need no ipset.
 */
export const MOST_LISTED = 64;

/** The name of a family's set of networks that are left alone. */
export function heldSetName(family: Family): string {
  return `WANMARK_${family}`;
}

/** The sets that a plan wants the kernel to keep. */
export function heldSets({ families }: Pick<Plan, 'families'>): HeldSet[] {
  return FAMILIES.flatMap((family) =>
    [...families[family].sets.values()]
      .filter(({ held }) => held !== undefined)
      .map(({ elements }) => ({ family, elements })),
  );
}
