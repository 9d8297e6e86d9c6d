import type { Candidate } from '../candidate.js';
import type { Connections } from '../counts.js';
import { defineStrategy, NO_TURNS } from '../strategy.js';
import { compareLoad } from './ratio.js';

/**
 * The WAN with the smallest (connections + 1) / weight; the first in the list where several are equal (ip_vs_sed.c).
 */
export function leastLoaded(connections: Connections, wans: readonly Candidate[]): Candidate {
  let best = wans[0]!;
  for (const wan of wans) if (compareLoad(connections, wan, best) < 0) best = wan;
  return best;
}

/**
 * IPVS's sed: the WAN on which the new connection would wait least if all connections were equally long. The first in
 * the configuration wins ties, so, unlike with least-connections, idle WANs fill up from the first.
 */
export const shortestExpectedDelay = defineStrategy(['connections'], ({ connections }) => ({
  sequence: NO_TURNS,
  pick: (_flow, wans) => leastLoaded(connections, wans),
}));
