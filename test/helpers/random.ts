/** A generator that can be repeated (mulberry32). @returns 0 up to 1 */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Draws from `count` things of which the n-th is drawn 1/n as often as the first (Zipf). @returns 0 up to `count` - 1 */
export function zipf(count: number, random: () => number): () => number {
  const sums: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    total += 1 / (i + 1);
    sums.push(total);
  }
  return () => {
    const value = random() * total;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
