import type { HashField } from '../flow-hash.js';
import { hashText, mix } from '../hash.js';
import { defineStrategy, PerSet, type StrategyFactory } from '../strategy.js';
import { byPlace } from '../table.js';

/**
 * Weighted rendezvous hashing over the places of a table: flows that are equal in these fields have the same place, and
 * a place takes the WAN with the best score. When a WAN goes down, only its own places change; when it returns, exactly
 * those come back. The score -weight / ln(u), u uniform from the place and the WAN's name, gives each WAN its weight's
 * share of the places (Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005), within some tenths of a
 * percent. WANs are known by name, so order and marks do not matter.
 *
 * @param fields one or more; their order does not matter
 */
export function byHash(fields: readonly HashField[]): StrategyFactory {
  const create = () => {
    const keys = new PerSet((wans) => wans.map(({ name }) => hashText(name)));
    return byPlace({
      fields,
      at(place, wans) {
        const key = keys.get(wans);
        const hash = mix(place);
        let best = 0;
        let bestScore = -1;
        for (let i = 0; i < wans.length; i++) {
          // Half a step keeps u off 0 and 1, where the score is not a usable number.
          const u = (mix(hash ^ key[i]!) + 0.5) / 2 ** 32;
          const score = -wans[i]!.weight / Math.log(u);
          if (score > bestScore) {
            best = i;
            bestScore = score;
          }
        }
        return wans[best]!;
      },
    });
  };
  return defineStrategy([], create, { fixedBy: fields });
}
