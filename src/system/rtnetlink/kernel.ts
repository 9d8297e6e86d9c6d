import type { Family } from '../../core/family.js';
import { dumpAddresses, type InterfaceAddress } from './addresses.js';
import { dumpLinks, type Link } from './links.js';
import { dumpNeighbours, type Neighbour, resolveNeighbour } from './neighbours.js';
import { lookupRoute } from './route-lookup.js';
import { dumpMain, type Route } from './routes.js';

/**
 * What rtnetlink tells of this network namespace; replace it in tests. Each throws an Error with `errno` where the
 * kernel does not answer.
 */
export interface Kernel {
  links(): readonly Link[];
  addresses(family: Family): readonly InterfaceAddress[];
  /** As {@link dumpMain}. */
  main(family: Family): readonly Route[];
  neighbours(family: Family): readonly Neighbour[];
  /** As {@link lookupRoute}. */
  route(family: Family, address: string, index?: number): Route | undefined;
  /** As {@link resolveNeighbour}. */
  resolve(family: Family, address: string, index: number): void;
}

/** The kernel that runs us. */
export const KERNEL: Kernel = {
  links: dumpLinks,
  addresses: dumpAddresses,
  main: (family) => dumpMain({ family }),
  neighbours: dumpNeighbours,
  route: lookupRoute,
  resolve: resolveNeighbour,
};
