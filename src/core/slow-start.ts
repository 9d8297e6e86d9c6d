import type { Family } from './family.js';
import { splitTargetId, type TargetId } from './target.js';

/** The share that a target starts with: large enough for failures to be noticed, small enough to do no harm. */
const FIRST_PART = 0.1;
/** Sums of parts like 0.1 can miss a whole number by about 1e-16. */
const ROUNDING = 1e-9;

interface WarmUp {
  readonly since: number;
  /** Parts of picks that the target was offered and did not take; at 1 it takes one. */
  credit: number;
}

/**
 * Gives a target that came up a growing part of what strategies would give it, from a tenth to all. Nothing is random:
 * of ten picks at a tenth exactly one is taken. A target's two families warm up separately.
 */
export class SlowStart {
  /** How long warming up takes, in milliseconds; 0 turns it off. */
  lengthMs: number;
  readonly #now: () => number;
  readonly #warming = { 4: new Map<TargetId, WarmUp>(), 6: new Map<TargetId, WarmUp>() };

  /** @param now milliseconds, never going back */
  constructor(lengthMs: number, now: () => number) {
    this.lengthMs = lengthMs;
    this.#now = now;
  }

  /** Starts warming up a target that came up. */
  begin(id: TargetId): void {
    if (this.lengthMs > 0) this.#of(id).set(id, { since: this.#now(), credit: 0 });
  }

  /** Stops warming up a target that went down. */
  end(id: TargetId): void {
    this.#of(id).delete(id);
  }

  /** Whether any target is warming up; costs nothing while none is. */
  active(family: Family): boolean {
    const warming = this.#warming[family];
    if (warming.size === 0) return false;
    // Ends finished warm-ups here, since nobody asks about a target that is not a candidate.
    for (const id of warming.keys()) this.part(id);
    return warming.size > 0;
  }

  /** The target's current part, from 0.1 to below 1; undefined when it gets its full share. */
  part(id: TargetId): number | undefined {
    const warming = this.#of(id);
    const warmUp = warming.get(id);
    if (warmUp === undefined) return undefined;
    const done = (this.#now() - warmUp.since) / this.lengthMs;
    if (done < 1) return FIRST_PART + (1 - FIRST_PART) * Math.max(0, done);
    warming.delete(id);
    return undefined;
  }

  /** Whether a target takes a connection that it was picked for. */
  takes(id: TargetId): boolean {
    const part = this.part(id);
    if (part === undefined) return true;
    const warmUp = this.#of(id).get(id)!;
    warmUp.credit += part;
    if (warmUp.credit < 1 - ROUNDING) return false;
    warmUp.credit -= 1;
    return true;
  }

  #of(id: TargetId): Map<TargetId, WarmUp> {
    return this.#warming[splitTargetId(id).family];
  }
}
