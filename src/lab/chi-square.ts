/**
 * Upper quantile of the standard normal distribution at {@link CHANCE}. So rare that a lab run which is fine
 * is not called wrong in a lifetime of runs, and 720 connections still show a share that is off by a few percent.
 */
const Z = 4.753424;
/** How often a random choice that is right exceeds {@link limit}. */
export const CHANCE = 1e-6;

/** Pearson's statistic: how far counts are from what was expected. */
export function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  return counts.reduce((sum, count, i) => {
    const want = expected[i]!;
    if (want === 0) return count === 0 ? sum : Number.POSITIVE_INFINITY;
    return sum + (count - want) ** 2 / want;
  }, 0);
}

/**
 * The statistic that a right choice exceeds with {@link CHANCE} (Wilson and Hilferty's approximation,
 * which is up to 15 % too lenient at one degree of freedom and within 3 % from five on).
 */
export function limit(degreesOfFreedom: number): number {
  if (degreesOfFreedom <= 0) return 0;
  const a = 2 / (9 * degreesOfFreedom);
  return degreesOfFreedom * (1 - a + Z * Math.sqrt(a)) ** 3;
}
