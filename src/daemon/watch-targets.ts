import type { forget, lookup } from '../conntrack/requests.js';
import type { MarkField } from '../core/mark.js';
import { Watch, type WatchOptions } from '../wan/passive/watch.js';

/** The kernel's connections; tests have their own. */
export interface Conntrack {
  readonly lookup: typeof lookup;
  readonly forget: typeof forget;
}

export interface WatchTargetsParts extends Omit<WatchOptions, 'lookup' | 'forget' | 'wans'> {
  /** WANs, or the backends of a service, with their numbers in the field. */
  readonly targets: readonly { readonly name: string; readonly mark: number }[];
  readonly field: MarkField;
  readonly conntrack: Conntrack;
  /** Drops the remembered decisions for a target. @param mark its number */
  readonly forget: (mark: number) => void;
}

/** Follows the connections of targets, which conntrack tells by the field of their mark. */
export function watchTargets({ targets, field, conntrack, forget, ...options }: WatchTargetsParts): Watch {
  const names = new Map(targets.map(({ name, mark }) => [mark, name]));
  const numbers = new Map(targets.map(({ name, mark }) => [name, mark]));
  return new Watch({
    ...options,
    wans: targets.length,
    lookup: async (tuple) => {
      const entry = await conntrack.lookup(tuple);
      const wan = entry && names.get(field.decode(entry.mark));
      return wan === undefined ? undefined : { entry: entry!, wan };
    },
    forget: async (those) => {
      for (const number of new Set(those.map(({ wan }) => numbers.get(wan)!))) forget(number);
      const asked = those.map(({ tuple, wan }) => ({ tuple, mark: field.encode(numbers.get(wan)!) }));
      return conntrack.forget(asked, field.mask, 'unanswered');
    },
  });
}
