import type { SourceLine } from './source.js';

/** A value of our configuration file. */
export type Value = string | number | boolean | readonly Value[] | Keys;

/** The keys of an item, in the order in which they are written. */
export interface Keys {
  readonly [key: string]: Value;
}

/** Something of our configuration, and what it was made of. */
export interface Item {
  readonly keys: Keys;
  readonly from: readonly SourceLine[];
  /** What is not plain from these lines; of one line. */
  readonly remark?: string;
}

/** A configuration that is being made, before anybody has checked it. */
export interface Draft {
  /** Options that are no lists of items; each has one key. */
  readonly options: readonly Item[];
  readonly wan: readonly Item[];
  readonly check: readonly Item[];
  readonly set: readonly Item[];
  readonly policy: readonly Item[];
  readonly rule: readonly Item[];
}

/** The lists of a draft, in the order in which they are written: each may name what stands before it. */
export const LISTS = ['wan', 'check', 'set', 'policy', 'rule'] as const;
