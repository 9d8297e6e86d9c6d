import type { Candidate } from '../candidate.js';
import type { Connections } from '../counts.js';

/**
 * Compares two WANs by (connections + 1) / weight, their load with the new connection counted in: below 0 when `a` is
 * less loaded. It compares products, which are exact for whole numbers, instead of dividing by a weight.
 */
export function compareLoad(connections: Connections, a: Candidate, b: Candidate): number {
  return (connections(a) + 1) * b.weight - (connections(b) + 1) * a.weight;
}
