import { hashText, mix } from '../hash.js';
import { PerSet, type StrategyFactory } from '../strategy.js';

/**
 * Weighted rendezvous hashing on the client's address: every client draws a score for every WAN and takes the best.
 * When a WAN goes down, only its own clients move; when it returns, exactly those come back. The score -weight / ln(u),
 * u uniform from the hash, gives each WAN its weight's share of the clients (Schindelhauer and Schomaker, "Weighted
 * distributed hash tables", 2005). WANs are known by name, so order and marks do not matter.
 */
export const sourceHash: StrategyFactory = () => {
  const keys = new PerSet((wans) => wans.map((wan) => hashText(wan.name)));
  return {
    pick(flow, wans) {
      const key = keys.get(wans);
      const client = flow.srcHash;
      let best = 0;
      let bestScore = -1;
      for (let i = 0; i < wans.length; i++) {
        // Half a step keeps u off 0 and 1, where the score is not a usable number.
        const u = (mix(client ^ key[i]!) + 0.5) / 2 ** 32;
        const score = -wans[i]!.weight / Math.log(u);
        if (score > bestScore) {
          best = i;
          bestScore = score;
        }
      }
      return wans[best]!;
    },
  };
};
