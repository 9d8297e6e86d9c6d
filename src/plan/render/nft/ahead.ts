import { FAMILIES } from '../../../core/family.js';
import type { AheadPool } from '../../plan.js';
import { writeWords } from './actions.js';
import type { NftChain } from './marks.js';
import { ringChain, takenChain } from './names.js';

/**
 * The chains of what a daemon chooses beforehand: an empty one for each family, which only the daemon fills, and one for each
 * target, to which it leads; that counts what is given to the target, and writes the mark.
 */
export function aheadChains(pools: readonly AheadPool[]): NftChain[] {
  return pools.flatMap(({ name: pool, mask, targets }) => [
    ...targets.map(({ name, value }) => {
      const chain = takenChain(pool, name);
      return {
        name: chain,
        rules: [`counter name "${chain}" ${writeWords('meta mark', value, mask)}`],
      };
    }),
    ...FAMILIES.map((family) => ({ name: ringChain(family, pool), rules: [] })),
  ]);
}

/** The counters of these. */
export function aheadCounters(pools: readonly AheadPool[]): string[] {
  return pools.flatMap(({ name: pool, targets }) => targets.map(({ name }) => takenChain(pool, name)));
}
