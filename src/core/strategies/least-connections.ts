import { defineStrategy, PerSet } from '../strategy.js';
import { compareLoad } from './ratio.js';

/**
 * The WAN with the smallest (connections + 1) / weight, the new connection counted in. Equal WANs take turns by smooth
 * weighted round-robin (see weighted.ts), so their order in the configuration does not matter.
 */
export const leastConnections = defineStrategy(['connections'], ({ connections }) => {
  const states = new PerSet((wans) => ({ credits: wans.map(() => 0), ties: [0] }));
  return {
    sequence: { turns: (wans) => states.get(wans).credits },
    pick(_flow, wans) {
      const { credits, ties } = states.get(wans);
      ties.length = 1;
      ties[0] = 0;
      for (let i = 1; i < wans.length; i++) {
        const difference = compareLoad(connections, wans[i]!, wans[ties[0]!]!);
        if (difference > 0) continue;
        if (difference < 0) ties.length = 0;
        ties.push(i);
      }
      // Only equal WANs earn credit; otherwise a WAN that is busy for a while would come back with credit for hours.
      let best = ties[0]!;
      let total = 0;
      for (const i of ties) {
        total += wans[i]!.weight;
        credits[i]! += wans[i]!.weight;
        if (credits[i]! > credits[best]!) best = i;
      }
      credits[best]! -= total;
      return wans[best]!;
    },
  };
});
