/**
 * A strategy of your own: whoever has opened a connection stays on the WAN that it went out by, until it has opened none
 * for ten minutes; the first one is given out by weight. For sites that end a session when its address changes.
 * In a folder of its own:
 *
 *     npm init -y && npm pkg set type=module
 *     npm install wanmark typescript
 *     npx tsc --module nodenext --target es2023 strategy.ts
 *     wanmark run --strategy ./strategy.js ...
 */
import { type Candidate, PerSet, type StrategyFactory, weighted } from 'wanmark';

const IDLE_MS = 10 * 60_000;
/** Clients are known by a hash, so that memory has a bound. Once in 65,536 two of them share a slot, and with it a WAN. */
const SLOTS = 2 ** 16;

interface Stay {
  readonly wan: Candidate;
  readonly until: number;
}

const stay: StrategyFactory = (context) => {
  // A built-in strategy is a function of the same context, and can be asked like one's own.
  const newcomers = weighted(context);
  // Another set of candidates, as when a WAN goes down, has state of its own: there everybody is a newcomer. When the WAN
  // is back, its old set goes on with those who have not been away for longer than IDLE_MS.
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
