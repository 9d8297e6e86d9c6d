/** Draws from whatever a random generator gives. */
export class Draw {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  one<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }

  /** Whether it is the one in so many. */
  isIn(parts: number): boolean {
    return this.below(parts) === 0;
  }

  /** Some of them, at least one, in their order. */
  some<T>(all: readonly T[]): T[] {
    const found = all.filter(() => this.isIn(2));
    return found.length > 0 ? found : [this.one(all)];
  }
}
