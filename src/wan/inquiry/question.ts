import type { Check } from '../check/check.js';

/** One thing to ask by a WAN. */
export interface Question {
  /** The thing that is asked, for people: `ping 1.1.1.1`, `203.0.113.1:443`. */
  readonly text: string;
  /** A key; questions with the same key may all fail by the fault of one party. */
  readonly network: string;
  readonly check: Check;
  /** The target for the check. */
  readonly target: string;
  /** Takes one probe off its budget, where it has one. @returns whether it may be sent */
  readonly spend: () => boolean;
}
