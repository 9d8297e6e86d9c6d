import type { Candidate } from './candidate.js';

/** A candidate's live connections, including those just decided: a whole number, 0 or more. */
export type Connections = (candidate: Candidate) => number;

/** The connection counts that strategies see. It is created before the source of the numbers is known. */
export class Counts {
  /** The source of the counts, by mark number; every count is 0 while it is undefined. */
  source: ((mark: number) => number) | undefined;
  /** The connections by mark number that count besides, while a strategy is asked for choices beforehand. */
  said: ((mark: number) => number) | undefined;
  readonly connections: Connections = ({ mark }) => (this.source?.(mark) ?? 0) + (this.said?.(mark) ?? 0);
}
