/** A moment that is past, or just now. */
export interface Moment {
  /** How long ago it was, in milliseconds. */
  readonly ageMs: number;
  /** In milliseconds since 1970. */
  readonly date: number;
}

/** The present moment, whenever it is read. */
export const NOW: Moment = {
  ageMs: 0,
  get date() {
    return Date.now();
  },
};

/** How far two readings of a clock may lie apart for a third one in between to be of their moment, in milliseconds. */
const APART_MS = 0.5;
const MOST_READINGS = 5;

/**
 * How far the date is ahead of another clock, in milliseconds, to within one. Both are read again where something, such as a
 * garbage collection, came in between: dates of one moment would differ otherwise, and those of two change places.
 * @param now reads the other clock, which never goes back
 */
export function dateAhead(now: () => number): number {
  for (let reading = 1; ; reading++) {
    const before = now();
    const date = Date.now();
    const after = now();
    if (after - before <= APART_MS || reading === MOST_READINGS) return date - after;
  }
}
