import type { Family } from '../../core/family.js';
import { dumpAddresses, dumpAddressesLater, type InterfaceAddress } from './addresses.js';
import { dumpLinks, dumpLinksLater, type Link } from './links.js';
import {
  dumpNeighbours,
  dumpSilentNeighbours,
  type Neighbour,
  probeNeighbour,
  resolveNeighbour,
} from './neighbours.js';
import { lookupRoute, reachesDirectly } from './route-lookup.js';
import { dumpMain, dumpMainLater, hasDefaultRoute, type Route } from './routes.js';
import { dumpRules, dumpRulesLater, type Rule } from './rules.js';

/**
 * The kernel's answers by rtnetlink, for this network namespace; replace it in tests. Each throws an Error with `errno`
 * where the kernel does not answer.
 */
export interface Kernel {
  links(): readonly Link[];
  addresses(family: Family): readonly InterfaceAddress[];
  /** See {@link dumpMain}. */
  main(family: Family): readonly Route[];
  rules(family: Family): readonly Rule[];
  /** See {@link hasDefaultRoute}. */
  hasDefault(family: Family, table: number): boolean;
  neighbours(family: Family): readonly Neighbour[];
  /** See {@link lookupRoute}. */
  route(family: Family, address: string): Route | undefined;
  /** See {@link reachesDirectly}. */
  reaches(family: Family, address: string, index: number): boolean;
  /** See {@link resolveNeighbour}. */
  resolve(family: Family, address: string, index: number): void;
  /** Whether sets of networks can be kept; undefined: no. */
  keepsSets?(): boolean;
  /** Whether sets of clients can be kept; undefined: no. */
  keepsClients?(): boolean;
}

/** What of the kernel's answers can be long, told without holding the event loop up. */
export interface LongAnswers {
  links(): Promise<readonly Link[]>;
  addresses(family: Family): Promise<readonly InterfaceAddress[]>;
  main(family: Family): Promise<readonly Route[]>;
  rules(family: Family): Promise<readonly Rule[]>;
}

/** Asking neighbours whether they are still there; replace it in tests. */
export interface NeighbourProbing {
  /** See {@link probeNeighbour}. */
  probe(family: Family, address: string, index: number): void;
  /** See {@link dumpSilentNeighbours}. */
  silent(family: Family): readonly Pick<Neighbour, 'index' | 'address'>[];
}

/** The neighbours that this machine has. */
export const NEIGHBOURS: NeighbourProbing = { probe: probeNeighbour, silent: dumpSilentNeighbours };

/** The kernel that this process runs on. */
export const KERNEL: Kernel = {
  links: dumpLinks,
  addresses: dumpAddresses,
  main: (family) => dumpMain({ family }),
  rules: dumpRules,
  hasDefault: hasDefaultRoute,
  neighbours: dumpNeighbours,
  route: lookupRoute,
  reaches: reachesDirectly,
  resolve: resolveNeighbour,
};

/** Its long answers. */
export const LONG_ANSWERS: LongAnswers = {
  links: dumpLinksLater,
  addresses: dumpAddressesLater,
  main: (family) => dumpMainLater({ family }),
  rules: dumpRulesLater,
};
