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

/**
 * Follows the connections of targets, which conntrack tells by the field of their mark. Which targets there are is read
 * anew each time, so they may change.
 */
export function watchTargets(parts: WatchTargetsParts): Watch {
  const { field, conntrack } = parts;
  const named = (number: number) => parts.targets.find(({ mark }) => mark === number)?.name;
  return new Watch({
    ...parts,
    get wans() {
      return parts.targets.length;
    },
    lookup: async (tuple) => {
      const entry = await conntrack.lookup(tuple);
      const wan = entry && named(field.decode(entry.mark));
      return wan === undefined ? undefined : { entry: entry!, wan };
    },
    forget: async (those) => {
      const asked = those.map(({ tuple, wan }) => {
        const mark = parts.targets.find(({ name }) => name === wan)?.mark;
        return mark === undefined ? undefined : { tuple, mark: field.encode(mark), number: mark };
      });
      const known = asked.filter((one) => one !== undefined);
      for (const number of new Set(known.map((one) => one.number))) parts.forget(number);
      const forgotten = await conntrack.forget(known, field.mask, 'unanswered');
      // What a target had that is gone is left alone.
      return asked.map((one) => one !== undefined && forgotten[known.indexOf(one)] === true);
    },
  });
}
