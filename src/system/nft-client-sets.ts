import { bytesKey, keyAddress, parseAddress } from '../core/address.js';
import type { Family } from '../core/family.js';
import { setName, TABLE } from '../plan/render/nft/names.js';
import { clientSetName } from '../plan/stickiness.js';
import type { KeptFor, Placing } from './client-sets.js';
import {
  changeNftAddresses,
  type NftSetName,
  nftSetHandle,
  readNftAddresses,
} from './rtnetlink/nft-elements.js';

/** ENFILE of errno.h: a set is full. */
const ENFILE = 23;

/** The same as {@link ClientSets} where nft has the rules, whose table has the sets; `up` makes them. */
export class NftClientSets {
  readonly #family: Family;
  readonly #sets: ReadonlyMap<string, NftSetName>;
  /** By which a set is known that somebody has made anew, empty. */
  #handle: bigint | undefined;

  /** @param members the members by name, with their numbers */
  constructor(family: Family, policy: string, members: ReadonlyMap<string, number>) {
    this.#family = family;
    const [, table = ''] = TABLE.split(' ');
    this.#sets = new Map(
      [...members].map(([name, number]) => [
        name,
        { table, set: setName(family, clientSetName(family, policy, number)), family },
      ]),
    );
  }

  /** All clients with their members; none where the kernel has no such sets. One that is in several sets has one member. */
  read(): readonly KeptFor[] {
    const found = new Map<string, KeptFor>();
    for (const [member, set] of this.#sets) {
      for (const { address, seconds } of tried(() => readNftAddresses(set)) ?? []) {
        const key = bytesKey(parseAddress(address), 0, this.#family === 6 ? 8 : 4);
        const other = found.get(key);
        if (other === undefined || other.seconds < seconds) found.set(key, { key, member, seconds });
      }
    }
    this.#handle = this.#current();
    return [...found.values()];
  }

  /**
   * Puts clients into the sets of their members, and takes them out of all others. A full set takes no more.
   * @returns whether it is done; false where a set is not there, and where the sets are others than before
   */
  place(placings: readonly Placing[], seconds: number): boolean {
    const handle = this.#current();
    const isSame = handle === this.#handle;
    this.#handle = handle;
    if (handle === undefined || !isSame) return false;
    const all = placings.map(({ key, member }) => ({ address: keyAddress(key, this.#family), member }));
    const changes = [...this.#sets].map(([member, set]) => ({
      ...set,
      present: all.filter((one) => one.member === member).map(({ address }) => ({ address, seconds })),
      absent: all.filter((one) => one.member !== member).map(({ address }) => address),
    }));
    try {
      changeNftAddresses(changes);
      return true;
    } catch (error) {
      if (error instanceof Error && 'errno' in error) return error.errno === ENFILE;
      throw error;
    }
  }

  #current(): bigint | undefined {
    const [first] = this.#sets.values();
    return first && tried(() => nftSetHandle(first));
  }
}

/** Undefined where the kernel refuses. @throws any other error */
function tried<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof Error && 'errno' in error) return undefined;
    throw error;
  }
}
