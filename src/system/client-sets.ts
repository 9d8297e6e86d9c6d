import { bytesKey, keyAddress, parseAddress } from '../core/address.js';
import type { Family } from '../core/family.js';
import { clientSetName } from '../plan/stickiness.js';
import { ClientSet, type TimedClient } from './rtnetlink/client-set.js';

/** IPSET_ERR_HASH_FULL of linux/netfilter/ipset/ip_set_hash.h. */
const HASH_FULL = 4352;
/** The kernel takes no unspecified address into a set. */
const UNSPECIFIED: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** A client that is to be in the set of one member, or with undefined of none. */
export interface Placing {
  /** A client's `srcKey`. */
  readonly key: string;
  readonly member: string | undefined;
}

/** A client, its member, and for how many seconds it stays there. */
export interface KeptFor {
  readonly key: string;
  readonly member: string;
  readonly seconds: number;
}

/** The kernel's sets of one policy's clients in one family, a set for each member; `up` makes them. */
export class ClientSets {
  readonly #family: Family;
  readonly #sets: ReadonlyMap<string, ClientSet>;

  /** @param members the members by name, with their numbers */
  constructor(family: Family, policy: string, members: ReadonlyMap<string, number>) {
    this.#family = family;
    this.#sets = new Map(
      [...members].map(([name, number]) => [
        name,
        new ClientSet(clientSetName(family, policy, number), family),
      ]),
    );
  }

  /** All clients with their members; none where the kernel has no such sets. One that is in several sets has one member. */
  read(): readonly KeptFor[] {
    const found = new Map<string, KeptFor>();
    for (const [member, set] of this.#sets) {
      for (const { client, seconds } of clientsOf(set)) {
        const key = bytesKey(parseAddress(client), 0, this.#family === 6 ? 8 : 4);
        const other = found.get(key);
        if (other === undefined || other.seconds < seconds) found.set(key, { key, member, seconds });
      }
    }
    return [...found.values()];
  }

  /**
   * Puts clients into the sets of their members, and takes them out of all others. A full set takes no more.
   * @returns whether it is done; false where a set is not there
   */
  place(placings: readonly Placing[], seconds: number): boolean {
    const able = placings
      .map(({ key, member }) => ({ client: keyAddress(key, this.#family), member }))
      .filter(({ client }) => !UNSPECIFIED.has(client));
    for (const [member, set] of this.#sets) {
      const own = able.filter((one) => one.member === member);
      const others = able.filter((one) => one.member !== member);
      try {
        set.delete(others.map(({ client }) => client));
        set.add(own.map(({ client }) => ({ client, seconds })));
      } catch (error) {
        if (errnoOf(error) !== HASH_FULL) return false;
      }
    }
    return true;
  }
}

function clientsOf(set: ClientSet): readonly TimedClient[] {
  try {
    return set.clients();
  } catch (error) {
    errnoOf(error);
    return [];
  }
}

/** @throws the error where the kernel did not refuse anything */
function errnoOf(error: unknown): unknown {
  if (error instanceof Error && 'errno' in error) return error.errno;
  throw error;
}
