import type { Candidate } from '../candidate.js';
import { defineStrategy } from '../strategy.js';
import { compareLoad } from './ratio.js';

/** Draws one of the WANs other than `except`, with probability weight / sum(weights). */
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
  // Rounding can leave a remainder of about 1e-16 after the last WAN.
  return last;
}

/**
 * Draws two WANs by weight and takes the one with the smaller (connections + 1) / weight, or the first drawn where they
 * are equal: IPVS's twos (ip_vs_twos.c), Envoy's least request. It is nearly as even as comparing all WANs, and several
 * balancers, or late counts, do not all run to the same WAN. Unlike in IPVS the two always differ: with two or three
 * WANs, drawing the same one twice would too often leave no choice.
 */
export const twoChoices = defineStrategy(['connections'], ({ connections, random }) => ({
  pick(_flow, wans) {
    const first = draw(random, wans);
    if (wans.length === 1) return first;
    const second = draw(random, wans, first);
    return compareLoad(connections, second, first) < 0 ? second : first;
  },
}));
