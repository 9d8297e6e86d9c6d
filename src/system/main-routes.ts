import type { Family } from '../core/family.js';
import { loadAddon } from '../native.js';

/** This folder's part of the addon; each throws an Error with `errno`. */
interface RouteAddon {
  deviceIndex(name: string): number;
  defaultRoutes(family: Family): MainRoutes;
  onLink(family: Family, address: string, ifindex: number): boolean;
}

/** The main table's default routes in the kernel's order, a multipath one as several. */
export type MainRoutes = readonly (readonly [ifindex: number, gateway: string, metric: number])[];

/** Those of a family, in some 20 microseconds; undefined when they cannot be read. */
export function readMainRoutes(family: Family): MainRoutes | undefined {
  return known(() => loadAddon<RouteAddon>().defaultRoutes(family));
}

/** The gateway of the best one by a device, `dev` where that has none; undefined: there is none by it. */
export function defaultGateway(routes: MainRoutes, ifindex: number): string | undefined {
  let best: MainRoutes[number] | undefined;
  for (const route of routes) {
    if (route[0] === ifindex && (best === undefined || route[2] < best[2])) best = route;
  }
  return best === undefined ? undefined : best[1] || 'dev';
}

/** The kernel's number of a device; 0: there is none. */
export function deviceIndex(device: string): number {
  return known(() => loadAddon<RouteAddon>().deviceIndex(device)) ?? 0;
}

/** Whether an address is a neighbour by a device, as the gateway of a route has to be; undefined: not to be known. */
export function isOnLink(family: Family, address: string, ifindex: number): boolean | undefined {
  return known(() => loadAddon<RouteAddon>().onLink(family, address, ifindex));
}

function known<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
