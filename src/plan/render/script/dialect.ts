import type { Family } from '../../../core/family.js';

/** How a printed script makes our rules: with iptables, or with nft. Lines and words are those of the shell. */
export interface Dialect {
  /** What the script needs for it, for people. */
  readonly needs: string;
  /** By what its rules can be recognised, for people. */
  readonly signs: string;
  /** A line of the head that its programs need. */
  readonly zone?: string;
  /** The programs that a person may replace: variable and value. */
  readonly settings: readonly (readonly [variable: string, value: string])[];
  /** The programs that it needs. */
  readonly programs: readonly string[];
  /** The functions that print rules of a family. */
  functions(family: Family): string[];
  /** The functions that print rules of all families. */
  common(): string[];
  /** Lines that find what the rules of a family depend on. */
  finders(family: Family): string[];
  /** Lines that put the rules into variables: those of a family, and those of all. */
  wanted(family?: Family): string[];
  /** Lines that end the script where the machine would not take the rules. */
  test(): string[];
  /** Lines that keep what is there of a family, and of all. */
  remember(family?: Family): string[];
  /** Lines that note what `down` has to know. */
  note(): string[];
  /** Lines that replace what is there. @param prefix of the variables: '' for what is wanted, `old_` for what was there */
  put(prefix: string): string[];
  /** Lines that remove everything. */
  readonly removal: readonly string[];
  /** Functions that these lines may call, word for word, beside those of all scripts. */
  readonly library: {
    readonly finding: readonly string[];
    readonly choosing: readonly string[];
    readonly changing: readonly string[];
  };
}
