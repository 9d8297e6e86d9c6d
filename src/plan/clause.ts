import type { Match } from './plan.js';

/** Conditions of which any will do, or with `not` none of which may hold. Never empty. */
export interface Clause {
  readonly any: readonly (readonly Match[])[];
  readonly not?: true;
}
