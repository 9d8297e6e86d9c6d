/**
 * Upper quantile of the standard normal distribution at {@link CHANCE}. The chance is so small that no good lab run is
 * called wrong in a lifetime of runs, and 720 connections still show a share that is off by a few percent.
 */
const Z = 4.753424;
/** Probability that a correct random choice exceeds {@link limit}. */
export const CHANCE = 1e-6;

/** Pearson's statistic: how far `counts` are from `expected`. */
export function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  return counts.reduce((sum, count, i) => {
    const want = expected[i]!;
    if (want === 0) return count === 0 ? sum : Number.POSITIVE_INFINITY;
    return sum + (count - want) ** 2 / want;
  }, 0);
}

/**
 * The statistic that a correct choice exceeds with probability {@link CHANCE} (Wilson and Hilferty's approximation,
 * up to 15 % too lenient at one degree of freedom and within 3 % from five on).
 */
export function limit(degreesOfFreedom: number): number {
  if (degreesOfFreedom <= 0) return 0;
  const a = 2 / (9 * degreesOfFreedom);
  return degreesOfFreedom * (1 - a + Z * Math.sqrt(a)) ** 3;
}
