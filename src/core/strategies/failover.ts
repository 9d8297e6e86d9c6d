import { defineStrategy } from '../strategy.js';

/**
 * Always the first candidate. Candidates are the WANs of the lowest tier that is up, so give each WAN a tier of its
 * own; with equal tiers the order of the configuration decides.
 */
export const failover = defineStrategy([], () => ({ pick: (_flow, wans) => wans[0]! }), {
  ignoresWeights: true,
  fixedBy: [],
});
