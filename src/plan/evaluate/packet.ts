import type { Family } from '../../core/family.js';
import type { Facts, MainRoute } from '../facts.js';

/** The first packet of a new connection, as somebody describes it. What is undefined is not known. */
export interface Packet {
  readonly family: Family;
  /** The number of its IP protocol. */
  readonly proto: number;
  readonly src: string;
  /** Whether the sender has no source address of its own, so that the kernel gives it one by its first route. */
  readonly isUnbound: boolean;
  readonly dst: string;
  readonly sport: number | undefined;
  readonly dport: number | undefined;
  /** The device that it comes in by; undefined for the router's own. */
  readonly in: string | undefined;
  /** The sender's Ethernet address, in small letters. */
  readonly mac: string | undefined;
  /** The user whose program sends it; only for the router's own. */
  readonly user: number | undefined;
  readonly dscp: number | undefined;
  /** The whole mark that it has when it comes to our rules. */
  readonly mark: number;
  readonly at: Date;
}

/** How the kernel checks the sources of what comes in by a device. IPv6 has no such check. */
export interface SourceCheck {
  /** rp_filter: whether the way back has to leave by the device, to be there at all, or is not looked up. */
  readonly mode: 'strict' | 'loose' | 'off';
  /** src_valid_mark: whether the way back is looked up with the packet's mark. */
  readonly byMark: boolean;
}

/** What a plan does not say of the machine. */
export interface Surroundings {
  readonly facts: Facts;
  /** Whether an ipset of somebody else has an address; undefined where nobody can tell. */
  readonly inIpset?: (ipset: string, address: string) => boolean | undefined;
  /** The routes of another table than main and ours; undefined where nobody can tell. */
  readonly tableOf?: (family: Family, table: number) => readonly MainRoute[] | undefined;
  /** How the kernel checks the sources of what comes in by a device, over IPv4. Undefined: not at all. */
  readonly sourceCheck?: (device: string) => SourceCheck;
  /** Whether there are IPsec policies, which may take the packet; undefined where nobody can tell. */
  readonly ipsec?: boolean;
}

/** Whether a condition holds. `unknown` where it asks for something that the description leaves out. */
export type Holds = boolean | 'unknown';

/** Holds where the other does not. */
export function not(one: Holds): Holds {
  return one === 'unknown' ? one : !one;
}

/** Whether all of them hold. */
export function every(all: Iterable<Holds>): Holds {
  let found: Holds = true;
  for (const one of all) {
    if (one === false) return false;
    if (one === 'unknown') found = one;
  }
  return found;
}

/** Whether any of them holds. */
export function some(all: Iterable<Holds>): Holds {
  return not(every([...all].map(not)));
}

/** Compares with something that may not be known. */
export function known<T>(value: T | undefined, compare: (value: T) => boolean): Holds {
  return value === undefined ? 'unknown' : compare(value);
}
