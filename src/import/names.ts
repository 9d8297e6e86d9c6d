/** The longest name of a WAN, a set or a policy. */
const LONGEST = 15;

/** Names of a kind, each given once. */
export class Names {
  readonly #taken: Set<string>;

  /** @param taken names that nobody can have */
  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }

  /**
   * A name that nobody has yet, now taken: the wanted one itself where that is possible, and else a cut of it with the
   * suffix, which gets a number if need be.
   */
  take(wanted: string, suffix: string): string {
    const fitting = wanted.slice(0, LONGEST);
    const name = this.#taken.has(fitting) ? this.#variant(wanted, suffix) : fitting;
    this.#taken.add(name);
    return name;
  }

  /** The wanted name with the suffix, whether or not it is free alone. */
  takeVariant(wanted: string, suffix: string): string {
    const name = this.#variant(wanted, suffix);
    this.#taken.add(name);
    return name;
  }

  #variant(wanted: string, suffix: string): string {
    for (let i = 1; ; i++) {
      const end = i === 1 ? suffix : `${suffix}${i}`;
      const name = wanted.slice(0, LONGEST - end.length) + end;
      if (!this.#taken.has(name)) return name;
    }
  }
}
