import { defineStrategy, NO_TURNS } from '../strategy.js';
import { leastLoaded } from './shortest-expected-delay.js';

/**
 * IPVS's nq (ip_vs_nq.c): the first WAN without connections is taken at once, even where a faster one would be done
 * sooner. When all WANs have connections, it acts like shortest expected delay.
 */
export const neverQueue = defineStrategy(['connections'], ({ connections }) => ({
  sequence: NO_TURNS,
  pick: (_flow, wans) => wans.find((wan) => connections(wan) === 0) ?? leastLoaded(connections, wans),
}));
