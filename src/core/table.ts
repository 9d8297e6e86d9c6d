import type { Candidate } from './candidate.js';
import { flowHash } from './flow-hash.js';
import type { Strategy, TableForm } from './strategy.js';

/** How many places a table has where nothing limits it, and the places by which `pick` goes. */
export const PLACES = 65_536;

/**
 * The place of a hash in a table: each has an equal part of the hashes, in order. It is the upper half of the product of
 * 64 bits, `(uint64_t) hash * places >> 32`, as in the kernel's reciprocal_scale() (linux/kernel.h), which nft's hashes
 * use.
 * @param hash a whole number of 32 bits, 0 or more
 * @param places 1 to {@link PLACES}
 */
export function placeOf(hash: number, places: number): number {
  return Math.floor((hash * places) / 2 ** 32);
}

/** Makes a strategy of a table's form: `pick` answers what stands in a table of {@link PLACES} places. */
export function byPlace(table: TableForm): Strategy & { readonly table: TableForm } {
  const hashOf = flowHash(table.fields);
  return {
    table,
    pick: (flow, wans) => table.at(placeOf(hashOf(flow), PLACES), wans, PLACES),
  };
}

/**
 * Writes a table, or a part of it: the choice of each place, as an index into `wans`.
 * @param into as long as the table has places: 1 to {@link PLACES}
 * @param from the first place to write
 * @param to the place behind the last one
 * @throws TypeError when an answer is not one of `wans`, and whatever `at` throws; then `into` is written in part
 */
export function fillTable(
  table: TableForm,
  wans: readonly Candidate[],
  into: Uint16Array,
  from = 0,
  to = into.length,
): void {
  for (let place = from; place < to; place++) {
    const index = wans.indexOf(table.at(place, wans, into.length));
    if (index < 0) throw new TypeError(`place ${place} of a table has no candidate`);
    into[place] = index;
  }
}
