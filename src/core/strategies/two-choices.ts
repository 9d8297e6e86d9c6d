import { defineStrategy, NO_TURNS } from '../strategy.js';
import { drawByWeight } from './random.js';
import { compareLoad } from './ratio.js';

/**
 * Draws two WANs by weight and takes the one with the smaller (connections + 1) / weight, or the first drawn where they
 * are equal: IPVS's twos (ip_vs_twos.c), Envoy's least request. It is nearly as even as comparing all WANs, and several
 * balancers, or late counts, do not all run to the same WAN. Unlike in IPVS the two always differ: with two or three
 * WANs, drawing the same one twice would too often leave no choice.
 */
export const twoChoices = defineStrategy(['connections'], ({ connections, random }) => ({
  sequence: NO_TURNS,
  pick(_flow, wans) {
    const first = drawByWeight(wans, random);
    if (wans.length === 1) return first;
    const others = wans.filter((wan) => wan !== first);
    const second = drawByWeight(others, random);
    return compareLoad(connections, second, first) < 0 ? second : first;
  },
}));
