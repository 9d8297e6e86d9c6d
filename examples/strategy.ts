/**
 * A strategy of your own, for sites that end a session when its address changes: a client stays on the WAN of its last
 * connection until it has opened none for ten minutes; then its next connection is given out by weight. In a folder of
 * its own:
 *
 *     npm init -y && npm pkg set type=module
 *     npm install wanmark typescript
 *     npx tsc --module nodenext --target es2023 strategy.ts
 *     wanmark run --strategy ./strategy.js ...
 */
import { type Candidate, PerSet, type StrategyFactory, weighted } from 'wanmark';

const IDLE_MS = 10 * 60_000;
/** Clients are known by a hash, so that memory is bounded. Two clients share a slot, and so a WAN, once in 65,536. */
const SLOTS = 2 ** 16;

interface Stay {
  readonly wan: Candidate;
  readonly until: number;
}

const stay: StrategyFactory = (context) => {
  // A built-in strategy is a function of the same context, and can be used inside your own.
  const newcomers = weighted(context);
  // Each set of candidates has its own state. When a WAN goes down, the set changes and every client is a newcomer; when
  // the WAN is back, the old set continues with the clients that were not idle for longer than IDLE_MS.
  const stays = new PerSet(() => new Map<number, Stay>());

  return {
    pick(flow, wans) {
      const slots = stays.get(wans);
      const slot = flow.srcHash % SLOTS;
      const known = slots.get(slot);
      const now = context.now();
      const wan = known !== undefined && now < known.until ? known.wan : newcomers.pick(flow, wans);
      slots.set(slot, { wan, until: now + IDLE_MS });
      return wan;
    },
  };
};

export default stay;
