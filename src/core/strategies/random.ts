import { NO_TURNS, type StrategyFactory } from '../strategy.js';

/** An independent draw for each connection, with probability weight / sum(weights). */
export const random: StrategyFactory = (context) => ({
  sequence: NO_TURNS,
  pick: (_flow, wans) => drawByWeight(wans, context.random),
});

/**
 * Draws one of a list, with probability weight / sum(weights).
 * @param all one or more
 * @param random a number from 0 to 1, 1 not included
 */
export function drawByWeight<Weighted extends { readonly weight: number }>(
  all: readonly Weighted[],
  random: () => number,
): Weighted {
  let left = random() * all.reduce((sum, { weight }) => sum + weight, 0);
  for (const one of all) {
    left -= one.weight;
    if (left < 0) return one;
  }
  // Rounding can leave a remainder of about 1e-16 after the last one.
  return all[all.length - 1]!;
}
