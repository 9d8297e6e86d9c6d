import { PerSet, type StrategyFactory } from '../strategy.js';

/**
 * Smooth weighted round-robin, as in nginx: each turn every WAN earns its weight; the richest is chosen and pays what
 * all earned. Any run of sum(weights) decisions gives every WAN exactly its weight, spread out: with weights 5, 1, 1
 * the order is a a b a c a a, not a a a a a b c.
 */
export const weighted: StrategyFactory = () => {
  const credits = new PerSet((wans) => wans.map(() => 0));
  return {
    sequence: { turns: (wans) => credits.get(wans) },
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
