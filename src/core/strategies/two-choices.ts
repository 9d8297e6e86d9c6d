import type { Candidate } from '../candidate.js';
import { defineStrategy } from '../strategy.js';
import { compareLoad } from './ratio.js';

/** A draw with probability weight / sum(weights) among the WANs that are not `except`. */
function draw(random: () => number, wans: readonly Candidate[], except?: Candidate): Candidate {
  let total = 0;
  for (const wan of wans) if (wan !== except) total += wan.weight;
  let left = random() * total;
  let last = wans[0]!;
  for (const wan of wans) {
    if (wan === except) continue;
    last = wan;
    left -= wan.weight;
    if (left < 0) return wan;
  }
  // Rounding can leave a remainder of about 1e-16 with the last one.
  return last;
}

/**
 * Two WANs are drawn by weight, and the one with the smaller (connections + 1) / weight is taken, the first drawn
 * where they are equal: IPVS's twos (ip_vs_twos.c), Envoy's least request. Nearly as even as looking at all, and
 * several balancers, or counts that are late, do not all run to the same WAN. Unlike with IPVS the two always
 * differ, since with two or three WANs a double draw would be no choice too often.
 */
export const twoChoices = defineStrategy(['connections'], ({ connections, random }) => ({
  pick(_flow, wans) {
    const first = draw(random, wans);
    if (wans.length === 1) return first;
    const second = draw(random, wans, first);
    return compareLoad(connections, second, first) < 0 ? second : first;
  },
}));
