import { DEFAULT_MASK } from '#wanmark/config/options/wans.js';
import { MarkField } from '#wanmark/core/mark.js';
import type { Lab } from '#wanmark/lab/lab.js';

/** The marks of the lab's WANs as packets and connections have them: each WAN's number in the default field. */
export function marksOf(lab: Lab): number[] {
  const field = new MarkField(Number(DEFAULT_MASK));
  return lab.wans.map(({ number }) => field.encode(number));
}
