import type { Draft } from './draft.js';
import type { Findings } from './findings.js';

/** What an import makes of a file. */
export interface Imported {
  readonly draft: Draft;
  readonly findings: Findings;
}
