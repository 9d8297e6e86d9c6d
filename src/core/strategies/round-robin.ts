import { defineStrategy, PerSet } from '../strategy.js';

/** Each WAN in turn, in the order of the configuration. Weights do not matter, except that 0 still drains. */
export const roundRobin = defineStrategy(
  [],
  () => {
    const turns = new PerSet(() => ({ next: 0 }));
    return {
      pick(_flow, wans) {
        const turn = turns.get(wans);
        const wan = wans[turn.next]!;
        turn.next = (turn.next + 1) % wans.length;
        return wan;
      },
    };
  },
  { ignoresWeights: true },
);
