import type { Candidate } from './candidate.js';
import type { Family } from './family.js';
import type { States } from './states.js';
import { type Target, type TargetId, targetId } from './target.js';

/** What a member of a pool is made of: the target, and what the strategy sees of it with its weight and tier here. */
export interface MemberParts<Seen extends Candidate = Candidate> {
  readonly target: Target;
  readonly candidate: Seen;
}

/** A target in one pool. It has a weight and a tier of its own there, so that it can be in several. */
export class Member<Seen extends Candidate = Candidate> {
  readonly target: Target;
  /** As it is configured. */
  readonly configured: Seen;
  /** Decisions for it since the start. */
  picks = 0;
  readonly #ids: Readonly<Record<Family, TargetId>>;
  #candidate: Seen;

  constructor({ target, candidate }: MemberParts<Seen>) {
    this.target = target;
    this.configured = candidate;
    this.#candidate = candidate;
    this.#ids = { 4: targetId(target.name, 4), 6: targetId(target.name, 6) };
  }

  /** What the strategy sees of it: another object for another weight, the configured one again for that. */
  get candidate(): Seen {
    return this.#candidate;
  }

  id(family: Family): TargetId {
    return this.#ids[family];
  }

  /** Takes its weight of the moment from the states. */
  weigh(states: States): void {
    const weight = states.weight(this.target.name, this.configured.weight);
    if (weight === this.#candidate.weight) return;
    this.#candidate =
      weight === this.configured.weight ? this.configured : Object.freeze({ ...this.configured, weight });
  }

  /** Whether connections of a family may be given to it. */
  isAble(family: Family, states: States): boolean {
    return (
      this.#candidate.weight > 0 && this.target.families.includes(family) && states.takes(this.id(family))
    );
  }
}
