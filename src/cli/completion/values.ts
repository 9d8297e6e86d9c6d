import type { Described } from '../descriptions.js';

/** What a shell offers for a value. */
export interface Values {
  readonly words: readonly string[];
  /** What there is besides the words, which the shell looks up itself. */
  readonly more: 'file' | 'device' | 'user' | undefined;
}

/** What the names of values stand for. */
const MORE: Readonly<Record<string, Values['more']>> = {
  FILE: 'file',
  PATH: 'file',
  DEV: 'device',
  USER: 'user',
};

/** What can be offered for the value of an option or a positional argument; undefined for a switch. */
export function valuesOf({ value, words }: Described): Values | undefined {
  if (value === undefined) return undefined;
  const more = value.split('|').flatMap((name) => MORE[name] ?? []);
  return { words, more: more[0] };
}

/** The items that lead to the same, by what they lead to. */
export function grouped<Item>(items: Iterable<readonly [item: Item, to: string]>): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const [item, to] of items) groups.set(to, [...(groups.get(to) ?? []), item]);
  return groups;
}
