import { defineStrategy } from '../strategy.js';
import { leastLoaded } from './shortest-expected-delay.js';

/**
 * IPVS's nq: a WAN without connections is taken at once, the first of the list, even where a faster one would be
 * done sooner; when all are in use, shortest expected delay (ip_vs_nq.c).
 */
export const neverQueue = defineStrategy(['connections'], ({ connections }) => ({
  pick: (_flow, wans) => wans.find((wan) => connections(wan) === 0) ?? leastLoaded(connections, wans),
}));
