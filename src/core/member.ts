import type { Candidate } from './candidate.js';
import type { Family } from './family.js';
import type { States } from './states.js';
import { type Target, type TargetId, targetId } from './target.js';

/**
 * The parts of a pool's member: the target, and the candidate that the strategy sees, with its configured
 * weight and tier.
 */
export interface MemberParts<Seen extends Candidate = Candidate> {
  readonly target: Target;
  readonly candidate: Seen;
  /**
   * Set where the weight belongs to the membership: one that replaces the target's own means nothing here, but 0 still
   * does.
   */
  readonly hasOwnWeight?: true;
}

/** A target's membership in one pool. Weight and tier belong to the membership, so a target can be in several pools. */
export class Member<Seen extends Candidate = Candidate> {
  readonly target: Target;
  /** The candidate with its configured weight. */
  readonly configured: Seen;
  /** Decisions for this member, those of earlier daemons among them. */
  picks = 0;
  readonly #ids: Readonly<Record<Family, TargetId>>;
  readonly #hasOwnWeight: boolean;
  #candidate: Seen;

  constructor({ target, candidate, hasOwnWeight }: MemberParts<Seen>) {
    this.target = target;
    this.configured = candidate;
    this.#candidate = candidate;
    this.#hasOwnWeight = hasOwnWeight === true;
    this.#ids = { 4: targetId(target.name, 4), 6: targetId(target.name, 6) };
  }

  /**
   * The candidate that the strategy sees. A changed weight makes a new object; the configured weight brings the
   * original one back.
   */
  get candidate(): Seen {
    return this.#candidate;
  }

  /** Whether it is made of equal parts. */
  is({ target, candidate, hasOwnWeight }: MemberParts<Seen>): boolean {
    return (
      (hasOwnWeight === true) === this.#hasOwnWeight &&
      target.name === this.target.name &&
      target.families.join() === this.target.families.join() &&
      isEqual(candidate, this.configured)
    );
  }

  id(family: Family): TargetId {
    return this.#ids[family];
  }

  /** The current weight. */
  weight(states: Pick<States, 'weight'>): number {
    const weight = states.weight(this.target.name, this.configured.weight);
    return this.#hasOwnWeight && weight > 0 ? this.configured.weight : weight;
  }

  /** Takes the current weight from the states. */
  weigh(states: States): void {
    const weight = this.weight(states);
    if (weight === this.#candidate.weight) return;
    this.#candidate =
      weight === this.configured.weight ? this.configured : Object.freeze({ ...this.configured, weight });
  }

  /** Whether new connections of a family may be given to this member. */
  isAble(family: Family, states: States): boolean {
    return (
      this.#candidate.weight > 0 && this.target.families.includes(family) && states.takes(this.id(family))
    );
  }
}

/** Whether two candidates, which hold plain values, have the same. */
function isEqual(one: object, other: object): boolean {
  const [a, b] = [Object.entries(one), new Map(Object.entries(other))];
  return a.length === b.size && a.every(([key, value]) => b.has(key) && b.get(key) === value);
}
