import type { Candidate } from '../candidate.js';
import type { Connections } from '../counts.js';

/**
 * Compares two WANs by (connections + 1) / weight, the share of a connection that comes now: below 0 when `a` is
 * less loaded. As products, which are exact for whole numbers, and never a division by a weight.
 */
export function compareLoad(connections: Connections, a: Candidate, b: Candidate): number {
  return (connections(a) + 1) * b.weight - (connections(b) + 1) * a.weight;
}
