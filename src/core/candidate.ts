/**
 * A member of a pool as a strategy sees it. A WAN also has the other fields of its configuration, such as `dev`; a
 * backend has `address` and `port`; a bare mark has only the fields listed here.
 */
export interface Candidate {
  /** The name of a WAN or mark, or a backend's `to`; unique in its pool. */
  readonly name: string;
  /** The candidate's number inside the mark field, 1..max of the field. */
  readonly mark: number;
  /** Current share of new connections, relative to the other candidates: above 0. */
  readonly weight: number;
  /** Lower is preferred. All candidates for one connection have the same tier. */
  readonly tier: number;
  /** A WAN's device; undefined for anything else. */
  readonly dev?: string;
}
