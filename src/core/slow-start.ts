import type { Family } from './family.js';
import { splitTargetId, type TargetId } from './target.js';

/** What a target begins with: enough to be noticed where it fails, little enough to do no harm. */
const FIRST_PART = 0.1;
/** Sums of parts like 0.1 miss a whole by about 1e-16. */
const ROUNDING = 1e-9;

interface WarmUp {
  readonly since: number;
  /** Parts of picks that it has been offered and has not taken; it takes one at 1. */
  credit: number;
}

/**
 * Gives a target that came up a growing part of what strategies would give it, from a tenth to all. No draw: of ten picks
 * at a tenth exactly one is taken. Of a target that carries both families, each warms up for itself.
 */
export class SlowStart {
  readonly #lengthMs: number;
  readonly #now: () => number;
  readonly #warming = { 4: new Map<TargetId, WarmUp>(), 6: new Map<TargetId, WarmUp>() };

  /** @param lengthMs how long it takes; 0: nothing is ever warming @param now milliseconds, never going back */
  constructor(lengthMs: number, now: () => number) {
    this.#lengthMs = lengthMs;
    this.#now = now;
  }

  /** A target came up. */
  begin(id: TargetId): void {
    if (this.#lengthMs > 0) this.#of(id).set(id, { since: this.#now(), credit: 0 });
  }

  /** It went down again. */
  end(id: TargetId): void {
    this.#of(id).delete(id);
  }

  /** Whether any target is warming; costs nothing while there is none. */
  active(family: Family): boolean {
    const warming = this.#warming[family];
    if (warming.size === 0) return false;
    // Ends those that are over: nobody else asks for one that is no candidate.
    for (const id of warming.keys()) this.part(id);
    return warming.size > 0;
  }

  /** From a tenth on to below 1; undefined: all of it. */
  part(id: TargetId): number | undefined {
    const warming = this.#of(id);
    const warmUp = warming.get(id);
    if (warmUp === undefined) return undefined;
    const done = (this.#now() - warmUp.since) / this.#lengthMs;
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
