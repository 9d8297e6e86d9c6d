import leven from 'leven';

/** The candidate that a typing mistake most likely meant, or undefined when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  // Half the word may be wrong: `rnu` finds `run`, and `xyz` finds nothing.
  let bestDistance = Math.ceil(word.length / 2) + 1;
  for (const candidate of candidates) {
    const distance = candidate.startsWith(word) ? 0 : leven(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "weighted"?`, or the whole list when nothing is near. */
export function suggestion(word: string, candidates: Iterable<string>): string {
  const list = [...candidates];
  const best = nearest(word, list);
  return best === undefined ? `; use one of ${list.join(', ')}` : `; did you mean "${best}"?`;
}
