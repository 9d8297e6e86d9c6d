import type { ClientSets, KeptFor, Placing } from '../system/client-sets.js';

type Sets = Pick<ClientSets, 'read' | 'place'>;

/**
 * The kernel's sets of clients where they are at the moment: `up` may give the rules to another program, and the sets with
 * them, while the daemon runs.
 */
export class EitherSets implements Sets {
  #sets: readonly [Sets, Sets];

  /** @param sets those of the program that has the rules now come first */
  constructor(sets: readonly [Sets, Sets]) {
    this.#sets = sets;
  }

  read(): readonly KeptFor[] {
    return this.#sets.flatMap((one) => one.read());
  }

  /** False also where the others are to be asked from now on, so that all is written anew. */
  place(placings: readonly Placing[], seconds: number): boolean {
    const [first, second] = this.#sets;
    if (first.place(placings, seconds)) return true;
    this.#sets = [second, first];
    return false;
  }
}
