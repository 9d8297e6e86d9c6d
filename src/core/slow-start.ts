import type { Family } from './family.js';
import type { Wan } from './wan.js';

/** What a WAN begins with: enough to be noticed where it fails, little enough to do no harm. */
const FIRST_PART = 0.1;
/** Sums of parts like 0.1 miss a whole by about 1e-16. */
const ROUNDING = 1e-9;

interface WarmUp {
  readonly since: number;
  /** Parts of picks that it has been offered and has not taken; it takes one at 1. */
  credit: number;
}

/**
 * Gives a WAN that came up a growing part of what its strategy would give it, from a tenth to all. No draw: of ten picks
 * at a tenth exactly one is taken. WANs are told by mark and family; a WAN's other family may be warm.
 */
export class SlowStart {
  readonly #lengthMs: number;
  readonly #now: () => number;
  readonly #warming = { 4: new Map<number, WarmUp>(), 6: new Map<number, WarmUp>() };

  /** @param lengthMs how long it takes; 0: nothing is ever warming @param now milliseconds, never going back */
  constructor(lengthMs: number, now: () => number) {
    this.#lengthMs = lengthMs;
    this.#now = now;
  }

  /** A WAN came up. */
  begin(mark: number, family: Family): void {
    if (this.#lengthMs > 0) this.#warming[family].set(mark, { since: this.#now(), credit: 0 });
  }

  /** It went down again. */
  end(mark: number, family: Family): void {
    this.#warming[family].delete(mark);
  }

  /** Whether any WAN is warming; costs nothing while there is none. */
  active(family: Family): boolean {
    const warming = this.#warming[family];
    if (warming.size === 0) return false;
    // Ends those that are over: nobody else asks for one that is no candidate.
    for (const mark of warming.keys()) this.part(mark, family);
    return warming.size > 0;
  }

  /** From a tenth on to below 1; undefined: all of it. */
  part(mark: number, family: Family): number | undefined {
    const warmUp = this.#warming[family].get(mark);
    if (warmUp === undefined) return undefined;
    const done = (this.#now() - warmUp.since) / this.#lengthMs;
    if (done < 1) return FIRST_PART + (1 - FIRST_PART) * Math.max(0, done);
    this.#warming[family].delete(mark);
    return undefined;
  }

  /** Whether a WAN takes a connection that it was picked for. */
  takes(mark: number, family: Family): boolean {
    const part = this.part(mark, family);
    if (part === undefined) return true;
    const warmUp = this.#warming[family].get(mark)!;
    warmUp.credit += part;
    if (warmUp.credit < 1 - ROUNDING) return false;
    warmUp.credit -= 1;
    return true;
  }

  /** Those that have their whole share. */
  warm(wans: readonly Wan[], family: Family): Wan[] {
    return wans.filter(({ mark }) => this.part(mark, family) === undefined);
  }
}
