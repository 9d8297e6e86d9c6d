import { defineStrategy, PerSet } from '../strategy.js';

/** Each WAN in turn, in the order of the configuration. Weights do not matter, except that 0 still drains. */
export const roundRobin = defineStrategy(
  [],
  () => {
    const turns = new PerSet(() => [0]);
    return {
      sequence: { turns: (wans) => turns.get(wans), period: (wans) => wans.length },
      pick: (_flow, wans) => wans[turns.get(wans)[0]!++ % wans.length]!,
    };
  },
  { ignoresWeights: true },
);
