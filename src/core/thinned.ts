import { mix } from './hash.js';

/** Places that go round are repeated to at least so many before some are taken away, so that a tenth of a share is some. */
const LEAST = 256;

/** How much of what is chosen for each candidate it gets, 0 to 1, and who gets the rest. */
export interface Thinning {
  readonly parts: readonly number[];
  /** The choices among those that get all of theirs, as many as asked for, as indexes of all. */
  readonly others: (count: number) => Uint16Array;
}

/**
 * Takes some of the choices for candidates that warm up away, evenly, and gives them to those that do not.
 * @param places indexes of candidates, in the order in which they are taken
 */
export function thinnedRound(places: Uint16Array, { parts, others }: Thinning): Uint16Array {
  if (places.length === 0 || parts.every((part) => part >= 1) || parts.every((part) => part < 1))
    return places;
  const times = Math.ceil(LEAST / places.length);
  const all = new Uint16Array(times * places.length).map((_, i) => places[i % places.length]!);
  const instead = others(all.length);
  if (instead.length < all.length) return places;
  const credits = parts.map(() => 0);
  let next = 0;
  return all.map((index) => {
    const part = parts[index]!;
    if (part >= 1) return index;
    credits[index]! += part;
    // Sums of parts like 0.1 can miss a whole number by a little.
    if (credits[index]! < 1 - 1e-9) return instead[next++]!;
    credits[index]! -= 1;
    return index;
  });
}

/** The same for the places of a hash: those that a candidate has already stay with it while it gets more. */
export function thinnedTable(places: Uint16Array, { parts, others }: Thinning): Uint16Array {
  if (parts.every((part) => part >= 1) || parts.every((part) => part < 1)) return places;
  const instead = others(places.length);
  if (instead.length < places.length) return places;
  return places.map((index, place) =>
    mix(place ^ 0x5bd1e995) / 2 ** 32 < parts[index]! ? index : instead[place]!,
  );
}
