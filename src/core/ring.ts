import type { Candidate } from './candidate.js';
import type { Counts } from './counts.js';
import type { Fault } from './fault.js';
import { hasSequence, Sequence } from './sequence.js';
import type { Strategy } from './strategy.js';
import { fillTable } from './table.js';

/** The longest round that is written whole. */
export const MOST_ROUND = 4096;
/** How many choices are said ahead where they do not go round. */
export const SAID_AHEAD = 256;
/** The places of a table. More than these take the kernel too long to replace: 4,096 take it some 3 ms, 65,536 some 80. */
export const TABLE_PLACES = 4096;

/** Whether a strategy can choose for packets that nobody shows it. */
export function choosesAhead(strategy: Strategy): boolean {
  return strategy.table !== undefined || hasSequence(strategy);
}

/**
 * The choices of a strategy among one set of candidates, for whoever takes them without asking: place by place, from the
 * first one on and round again, or the place of a hash.
 *
 * Choices that go round are a whole round, so that any run of its length gives exact shares while nothing changes. Others
 * are those of the moment, and are to be replaced as they are used and as counts move.
 */
export class Ring {
  readonly wans: readonly Candidate[];
  readonly #strategy: Strategy;
  readonly #onFault: (fault: Fault, given: unknown) => void;
  /** Undefined where a table was written. */
  readonly #sequence: Sequence | undefined;
  readonly #round: number | undefined;
  #places: Uint16Array | undefined;

  /** @param strategy one that {@link choosesAhead} */
  constructor(
    strategy: Strategy,
    wans: readonly Candidate[],
    counts: Counts | undefined,
    onFault: (fault: Fault, given: unknown) => void,
  ) {
    this.wans = wans;
    this.#strategy = strategy;
    this.#onFault = onFault;
    this.#sequence = hasSequence(strategy) ? new Sequence(strategy, wans, counts) : undefined;
    const round = strategy.sequence?.period?.(wans) ?? 0;
    // A user's strategy may say anything.
    this.#round = Number.isInteger(round) && round >= 1 && round <= MOST_ROUND ? round : undefined;
  }

  /** Whether it stays as it is while the candidates are the same. */
  get isLasting(): boolean {
    return this.#sequence === undefined || this.#round !== undefined;
  }

  /**
   * The places as they are to be from now on, as indexes into `wans`; undefined where they stay as they are. Without any,
   * the strategy failed: nothing is chosen ahead.
   * @param used how many were taken since the last time, by connections that the source of the counts counts now
   */
  next(used: number): Uint16Array | undefined {
    if (this.#places !== undefined && this.isLasting) return undefined;
    const places = this.#sequence === undefined ? this.#table() : this.#say(this.#sequence, used);
    if (used === 0 && isSame(places, this.#places)) return undefined;
    this.#places = places;
    return places;
  }

  #say(sequence: Sequence, used: number): Uint16Array {
    // More were taken than were said where it went round before anybody looked.
    sequence.used(Math.min(used, sequence.length));
    sequence.takeBack();
    const places = new Uint16Array(this.#round ?? SAID_AHEAD);
    return places.subarray(0, sequence.next(places, this.#onFault));
  }

  #table(): Uint16Array {
    const places = new Uint16Array(TABLE_PLACES);
    try {
      fillTable(this.#strategy.table!, this.wans, places);
    } catch (error) {
      this.#onFault('threw', error);
      return new Uint16Array(0);
    }
    return places;
  }
}

function isSame(a: Uint16Array, b: Uint16Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((choice, i) => choice === b[i]);
}
