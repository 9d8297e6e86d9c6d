import type { Family } from '../../core/family.js';
import type { HashField } from '../../core/flow-hash.js';
import type { Ahead, Pool } from '../../core/pool.js';
import { Ring } from '../../core/ring.js';
import { thinnedRound, thinnedTable } from '../../core/thinned.js';
import type { ChosenBy } from './chosen-by.js';

/** What a ring of a pool holds: the members of its places, and how a packet finds its place. */
export interface Written {
  /** The names of the members that places lead to, by index. */
  readonly names: readonly string[];
  readonly places: Uint16Array;
  /** Undefined where places are taken in turn. */
  readonly fields: readonly HashField[] | undefined;
}

/** The choices of a pool among its candidates of one family, as they are to stand in the rules. */
export class RingSlot {
  readonly ahead: Ahead;
  readonly #pool: Pool;
  readonly #family: Family;
  readonly #ring: Ring;
  readonly #counts: ChosenBy | undefined;
  #places: Uint16Array = new Uint16Array(0);
  #parts: readonly number[] = [];

  constructor(pool: Pool, family: Family, ahead: Ahead, chosenBy: ChosenBy | undefined) {
    this.ahead = ahead;
    this.#pool = pool;
    this.#family = family;
    this.#counts = chosenBy;
    this.#ring = new Ring(this.#strategy, ahead.list, chosenBy?.counts, pool.fault);
    this.#take(0);
  }

  /** Whether it stays as it is while candidates, weights and warmth are the same. */
  get isLasting(): boolean {
    return this.#isOnly || this.#ring.isLasting;
  }

  /** Whether both families can take the choices in one turn. */
  get isSequence(): boolean {
    return 'sequence' in this.ahead;
  }

  get written(): Written {
    return {
      names: this.ahead.members.map(({ target }) => target.name),
      places: this.#thinned(),
      fields: 'table' in this.ahead && !this.#isOnly ? this.ahead.table.fields : undefined,
    };
  }

  /**
   * Goes on by the present counts and warmth.
   * @param used how many choices were taken since the last time
   * @returns whether there is something to write
   */
  follow(used: number): boolean {
    if (this.#isOnly) return false;
    const parts = this.#warmth();
    const isWarmer = parts.some((part, i) => part !== this.#parts[i]);
    return this.#take(used) || isWarmer;
  }

  get #strategy() {
    return this.#pool.strategy.strategy;
  }

  /** Whether there is nothing to choose. */
  get #isOnly(): boolean {
    return this.ahead.list.length === 1;
  }

  #take(used: number): boolean {
    if (this.#isOnly) {
      const isNew = this.#places.length === 0;
      this.#places = Uint16Array.of(0);
      this.#parts = [1];
      return isNew;
    }
    const places = this.#ring.next(used);
    this.#parts = this.#warmth();
    if (places === undefined) return false;
    this.#places = places;
    return true;
  }

  #warmth(): readonly number[] {
    return this.ahead.members.map((member) => this.#pool.warmth(member, this.#family));
  }

  #thinned(): Uint16Array {
    const parts = this.#parts;
    if (parts.every((part) => part === 1)) return this.#places;
    const warm = this.ahead.list.filter((_, i) => parts[i] === 1);
    const others = (count: number) => {
      if (warm.length === 0) return new Uint16Array(0);
      const ring = new Ring(this.#strategy, warm, this.#counts?.counts, this.#pool.fault);
      const found = ring.next(0)!;
      if (found.length === 0) return found;
      const indexes = found.map((index) => this.ahead.list.indexOf(warm[index]!));
      return new Uint16Array(count).map((_, i) => indexes[i % indexes.length]!);
    };
    return 'table' in this.ahead
      ? thinnedTable(this.#places, { parts, others })
      : thinnedRound(this.#places, { parts, others });
  }
}
