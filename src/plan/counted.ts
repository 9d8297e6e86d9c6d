import type { Wan } from '../core/wan.js';

/** The comments by which the counters of WANs are found among the kernel's rules. */

type Named = Pick<Wan, 'name'>;

/** Of the rule that counts a WAN's packets in both directions together. */
export function countComment({ name }: Named): string {
  return `wanmark ${name}`;
}

/** Of the rule that counts those that leave, which only a WAN on a shared device has. */
export function outComment({ name }: Named): string {
  return `wanmark ${name} out`;
}

/** Whether another WAN has the same device, in whatever family, so that the device's own counters are of both. */
export function sharesDevice(
  wan: Pick<Wan, 'name' | 'dev'>,
  all: readonly Pick<Wan, 'name' | 'dev'>[],
): boolean {
  return all.some(({ name, dev }) => name !== wan.name && dev === wan.dev);
}
