import type { Candidate } from '../candidate.js';
import { PerSet, type StrategyFactory } from '../strategy.js';

/** The length of a round: the sum of the weights, without a divisor that all have. */
function roundOf(wans: readonly Candidate[]): number {
  const divide = (a: number, b: number): number => (b === 0 ? a : divide(b, a % b));
  const divisor = wans.reduce((common, { weight }) => divide(weight, common), 0);
  return wans.reduce((sum, { weight }) => sum + weight, 0) / divisor;
}

/**
 * Smooth weighted round-robin, as in nginx: each turn every WAN earns its weight; the richest is chosen and pays what
 * all earned. Any run of sum(weights) decisions gives every WAN exactly its weight, spread out: with weights 5, 1, 1
 * the order is a a b a c a a, not a a a a a b c.
 */
export const weighted: StrategyFactory = () => {
  const credits = new PerSet((wans) => wans.map(() => 0));
  return {
    sequence: { turns: (wans) => credits.get(wans), period: roundOf },
    pick(_flow, wans) {
      const credit = credits.get(wans);
      let total = 0;
      let best = 0;
      for (let i = 0; i < wans.length; i++) {
        total += wans[i]!.weight;
        credit[i]! += wans[i]!.weight;
        if (credit[i]! > credit[best]!) best = i;
      }
      credit[best]! -= total;
      return wans[best]!;
    },
  };
};
