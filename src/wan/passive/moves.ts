import type { Tuple } from '../../core/tuple.js';
import type { Unanswered } from './evidence.js';

/** How long a moved connection keeps off the WAN that did not answer it. A client's last SYN comes later, but few wait. */
export const REMEMBERED_MS = 15_000;

/** A connection that was taken from the WAN that did not answer it. */
export interface Move {
  readonly from: string;
  readonly tried: ReadonlySet<string>;
  readonly unanswered: Unanswered;
  readonly at: number;
}

/** The connections that were taken from the WAN that did not answer them, and are remembered for a while. */
export class Moves {
  readonly #moves = new Map<string, Move>();

  /** How many there are. */
  get size(): number {
    return this.#moves.size;
  }

  /** Undefined where it was not moved. Cheap while nothing is. */
  of(flow: Omit<Tuple, 'family'>): Move | undefined {
    return this.#moves.size === 0 ? undefined : this.#moves.get(keyOf(flow));
  }

  /** Notes one; a later one of the same connection takes its place. */
  add(flow: Omit<Tuple, 'family'>, move: Move): void {
    this.#moves.set(keyOf(flow), move);
  }

  /** Forgets one, because it was not moved after all. */
  delete(flow: Omit<Tuple, 'family'>): void {
    this.#moves.delete(keyOf(flow));
  }

  /** Forgets those that are too old to matter. @param now by the clock of {@link Move.at} */
  forgetOld(now: number): void {
    for (const [key, { at }] of this.#moves) {
      // The oldest come first, and there may be thousands.
      if (now - at <= REMEMBERED_MS) return;
      this.#moves.delete(key);
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#moves.clear();
  }
}

/** A text for each connection of a family. */
export function keyOf({ proto, src, sport, dst, dport }: Omit<Tuple, 'family'>): string {
  return `${proto} ${src} ${sport} ${dst} ${dport}`;
}
