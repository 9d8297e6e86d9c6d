import type { StrategyFactory } from '../strategy.js';

/** An independent draw for each connection, with probability weight / sum(weights). */
export const random: StrategyFactory = (context) => ({
  pick(_flow, wans) {
    let left = context.random() * wans.reduce((sum, wan) => sum + wan.weight, 0);
    for (const wan of wans) {
      left -= wan.weight;
      if (left < 0) return wan;
    }
    // Rounding can leave a remainder of about 1e-16 after the last WAN.
    return wans[wans.length - 1]!;
  },
});
