import type { Choice, Share } from './plan.js';

/** The longest rotation, since each new connection is compared with the mark match of every rule in it. */
export const MOST_SLOTS = 256;

/**
 * The rotation of a choice, in the order of the daemon's `weighted`: each turn every target earns its weight; the
 * richest is chosen and pays what all earned. Any run of sum(weights)/gcd(weights) turns has exactly the weights.
 */
export function rotation(shares: readonly Share[]): Share[] {
  const total = shares.reduce((sum, { weight }) => sum + weight, 0);
  const credits = shares.map(() => 0);
  return Array.from({ length: slots(shares) }, () => {
    let best = 0;
    shares.forEach(({ weight }, i) => {
      credits[i]! += weight;
      if (credits[i]! > credits[best]!) best = i;
    });
    credits[best]! -= total;
    return shares[best]!;
  });
}

/** The length of the rotation; 0 without shares. */
export function slots(shares: readonly Pick<Share, 'weight'>[]): number {
  const total = shares.reduce((sum, { weight }) => sum + weight, 0);
  return total === 0 ? 0 : total / shares.reduce((divisor, { weight }) => greatest(divisor, weight), 0);
}

function greatest(a: number, b: number): number {
  return b === 0 ? a : greatest(b, a % b);
}

/**
 * Why these weights cannot rotate; undefined when they can.
 * @param what names the owner of the weights in the message
 */
export function tooLong(
  what: string,
  mode: Choice['mode'],
  shares: readonly Pick<Share, 'weight'>[],
): string | undefined {
  const length = slots(shares);
  if (mode !== 'nth' || length <= MOST_SLOTS) return undefined;
  return (
    `${what}: the weights make a rotation of ${length}, more than ${MOST_SLOTS}; use smaller weights, ` +
    'or kernel mode random'
  );
}
