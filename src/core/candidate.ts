/**
 * A member of a pool as a strategy sees it. A WAN has the other fields of its configuration, too, such as `dev`; a
 * backend has `address` and `port`; a bare mark has no more than is here.
 */
export interface Candidate {
  /** A WAN's or mark's name; a backend's `to`. Unique in its pool. */
  readonly name: string;
  /** Its number inside the mark field, 1..max of the field. */
  readonly mark: number;
  /** Share of new connections of the moment, relative to the other candidates, above 0. */
  readonly weight: number;
  /** Lower is preferred. All candidates of a connection have the same. */
  readonly tier: number;
  /** The device of a WAN. */
  readonly dev?: string;
}
