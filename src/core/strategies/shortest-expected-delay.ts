import type { Candidate } from '../candidate.js';
import type { Connections } from '../counts.js';
import { defineStrategy } from '../strategy.js';
import { compareLoad } from './ratio.js';

/** The smallest (connections + 1) / weight; of those that are equal the first of the list (ip_vs_sed.c). */
export function leastLoaded(connections: Connections, wans: readonly Candidate[]): Candidate {
  let best = wans[0]!;
  for (const wan of wans) if (compareLoad(connections, wan, best) < 0) best = wan;
  return best;
}

/**
 * IPVS's sed: the WAN on which the new connection would wait least if all were equally long, by the order of the
 * configuration where that is equal. So idle WANs fill up from the first, unlike least-connections.
 */
export const shortestExpectedDelay = defineStrategy(['connections'], ({ connections }) => ({
  pick: (_flow, wans) => leastLoaded(connections, wans),
}));
