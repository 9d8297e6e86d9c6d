import { PROTOCOL } from '../../plan/render/ip.js';
import type { FieldInUse } from './field.js';
import { ALL_BITS } from './write.js';

/** An ip rule of somebody else that matches a mark: `(mark & mask) === value`. */
export interface MarkRule {
  readonly priority: string;
  readonly text: string;
  readonly value: number;
  readonly mask: number;
}

/**
 * The rules in the output of `ip -N rule show` that match a mark; ours are left out, and those that match all marks but
 * one. A rule without a mask compares all bits. `ip` prints 0 without 0x.
 */
export function markRules(rules: string): MarkRule[] {
  return rules.split('\n').flatMap((line) => {
    const found = /^(\d+):\s+(?!not )(.*\bfwmark ((?:0x)?[0-9a-f]+)(?:\/(0x[0-9a-f]+))?.*?)\s*$/.exec(line);
    if (found === null || line.includes(` proto ${PROTOCOL}`)) return [];
    const [, priority, text, value, mask] = found;
    return {
      priority: priority!,
      text: text!,
      value: Number(value),
      mask: mask === undefined ? ALL_BITS : Number(mask),
    };
  });
}

/** Whether the rule matches this mark. */
export function matches({ value, mask }: MarkRule, mark: number): boolean {
  return (mark & mask) >>> 0 === value;
}

/** One line for each of our targets whose mark a rule matches, as far as it compares our bits. */
export function takenLines(
  { priority, text, value, mask }: MarkRule,
  { field, option, targets }: FieldInUse,
): string[] {
  const compared = mask & field.mask;
  if (compared === 0) return [];
  const met = targets.filter(({ mark }) => (field.encode(mark) & compared) === (value & compared));
  return met.map(
    ({ name, mark }) =>
      `ip rule ${priority} (${text}) also matches ${field.format(mark)}, the mark of ${name}; give it or wanmark other bits (--${option}), docs/marks.md says which are free`,
  );
}
