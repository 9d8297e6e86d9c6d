import type { DoctorFacts } from './facts.js';

/** How bad what a line says is: `wrong` costs connections or will, `warning` may be meant. */
export type Fault = 'warning' | 'wrong';

/** What a kind of line means, for docs/doctor.md, in Markdown. */
export interface Meaning {
  readonly level: Fault;
  readonly means: string;
  readonly todo: string;
}

/** A fault that was found: one line of the report. */
export interface Found<Kind extends string = string> {
  readonly kind: Kind;
  /** What is wrong, with names and numbers. */
  readonly text: string;
  /** What to do about it. */
  readonly todo: string;
}

/** What an examination found. */
export interface Result<Kind extends string = string> {
  /** What is well, for the line `ok`; undefined where nothing was looked at, or a fault says all. */
  readonly ok?: string | undefined;
  readonly faults: readonly Found<Kind>[];
}

/** One part of the doctor's report. It is a pure function of what was gathered. */
export interface Examination<Kind extends string = string> {
  readonly name: string;
  /** What is looked at, for docs/doctor.md. */
  readonly asks: string;
  /** Every kind of line besides `ok`. */
  readonly kinds: Readonly<Record<Kind, Meaning>>;
  readonly examine: (facts: DoctorFacts) => Result<Kind>;
}

/** Gives an examination the type of its own kinds. */
export function examination<Kind extends string>(one: Examination<Kind>): Examination<Kind> {
  return one;
}

/** The most lines of one kind; a firewall can have thousands of rules. */
const MOST = 5;

/** The first few faults, and how many more there are. */
export function few<Kind extends string>(faults: readonly Found<Kind>[]): readonly Found<Kind>[] {
  if (faults.length <= MOST) return faults;
  const last = faults[MOST - 1]!;
  const more = `${last.text}; and ${faults.length - MOST} more like it`;
  return [...faults.slice(0, MOST - 1), { ...last, text: more }];
}

/** Takes a line of the form `what is wrong; what to do` apart. */
export function halves(line: string): { readonly text: string; readonly todo: string } {
  const bare = line.replace(/^warning: /, '');
  const at = bare.lastIndexOf('; ');
  return at < 0
    ? { text: bare, todo: 'see the lines before it' }
    : { text: bare.slice(0, at), todo: bare.slice(at + 2) };
}
