import type { Candidate } from './candidate.js';

/** Live connections of a candidate now, those just decided included: a plain number, 0 or more. */
export type Connections = (candidate: Candidate) => number;

/** The connections that a strategy sees: its context is made before it is known where they come from. */
export class Counts {
  /** Where the numbers come from, by mark number; without one all are 0. */
  source: ((mark: number) => number) | undefined;
  readonly connections: Connections = ({ mark }) => this.source?.(mark) ?? 0;
}
