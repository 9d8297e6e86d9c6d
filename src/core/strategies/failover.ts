import type { StrategyFactory } from '../strategy.js';

/**
 * Always the first candidate. Candidates are the WANs of the lowest tier that is up, so give each WAN its own
 * tier, or none and their order decides.
 */
export const failover: StrategyFactory = () => ({ pick: (_flow, wans) => wans[0]! });
