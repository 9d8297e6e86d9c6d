import type { Flow } from '../flow.js';
import { hashText, mix } from '../hash.js';
import { defineStrategy, PerSet, type Strategy, type StrategyFactory } from '../strategy.js';

/** The parts of a flow that can be hashed. */
export const HASH_FIELDS = ['src', 'sport', 'dst', 'dport', 'proto'] as const;
export type HashField = (typeof HASH_FIELDS)[number];

/** Each part as a number whose bits depend on all of its bits. */
const READ: Readonly<Record<HashField, (flow: Flow) => number>> = {
  src: (flow) => flow.srcHash,
  sport: (flow) => mix(flow.sport),
  dst: (flow) => flow.dstHash,
  dport: (flow) => mix(flow.dport),
  proto: (flow) => mix(flow.proto),
};

/** 2^32 divided by the golden ratio: keeps a source and a destination that are equal from cancelling out. */
const STEP = 0x9e3779b1;

/**
 * Weighted rendezvous hashing: flows that are equal in these fields draw the same score for every WAN, and take the
 * best. When a WAN goes down, only its own flows move; when it returns, exactly those come back. The score
 * -weight / ln(u), u uniform from the hash, gives each WAN its weight's share of the hashes (Schindelhauer and
 * Schomaker, "Weighted distributed hash tables", 2005). WANs are known by name, so order and marks do not matter.
 *
 * @param fields one or more; their order does not matter
 */
export function byHash(fields: readonly HashField[]): StrategyFactory {
  const [first, ...others] = HASH_FIELDS.filter((field) => fields.includes(field)).map(
    (field) => READ[field],
  );
  if (first === undefined) throw new RangeError('a hash needs at least one field');
  const hashOf = (flow: Flow) =>
    others.reduce((hash, read) => mix(Math.imul(hash, STEP) ^ read(flow)), first(flow));
  const create = (): Strategy => {
    const keys = new PerSet((wans) => wans.map((wan) => hashText(wan.name)));
    return {
      pick(flow, wans) {
        const key = keys.get(wans);
        const hash = hashOf(flow);
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
    };
  };
  return defineStrategy([], create, { fixedBy: fields });
}
