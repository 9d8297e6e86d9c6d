import { defineStrategy, NO_TURNS } from '../strategy.js';

/**
 * Always the first candidate. Candidates are the WANs of the lowest tier that is up, so give each WAN a tier of its
 * own; with equal tiers the order of the configuration decides.
 */
export const failover = defineStrategy(
  [],
  () => ({ sequence: { ...NO_TURNS, period: () => 1 }, pick: (_flow, wans) => wans[0]! }),
  {
    ignoresWeights: true,
    fixedBy: [],
  },
);
