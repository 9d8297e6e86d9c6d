import type { Counts } from '../../core/counts.js';

/** The counts that a strategy chooses by. */
export interface ChosenBy {
  /** Those in which each choice counts as a connection; undefined where a choice changes none. */
  readonly counts: Counts | undefined;
}
