import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '../core/address.js';
import type { Family } from '../core/family.js';
import { type TargetId, targetId } from '../core/target.js';
import { type Gateway, gatewayOf, natOf, type Wan } from '../core/wan.js';
import { type Facts, type MainRoute, neighbourKey } from './facts.js';
import type { Unusable } from './plan.js';

/** A WAN in one family, with what the machine says of it at the moment. */
export interface Uplink {
  readonly wan: Wan;
  readonly id: TargetId;
  readonly family: Family;
  /** An address; `dev` for a device that needs none; `auto` while no gateway can be found for it. */
  readonly via: Gateway;
  /**
   * Whether the gateway counts as a neighbour though it is on no network of the device, because the main table itself
   * uses it: some providers give an address alone, and a gateway elsewhere.
   */
  readonly onlink: boolean;
  /** Whether another WAN of the family has the same device. */
  readonly shared: boolean;
  /** Why the WAN has no route; undefined when it has one. */
  readonly unusable: Unusable | undefined;
  readonly nat: Wan['nat'];
}

/** The WANs that carry a family, in the order of the configuration. */
export function uplinksOf(wans: readonly Wan[], family: Family, facts: Facts): Uplink[] {
  const carried = wans.filter((wan) => gatewayOf(wan, family) !== undefined);
  return carried.map((wan) => {
    const shared = carried.some((other) => other !== wan && other.dev === wan.dev);
    return uplink(wan, family, shared, facts);
  });
}

function uplink(wan: Wan, family: Family, shared: boolean, facts: Facts): Uplink {
  const given = gatewayOf(wan, family)!;
  const found = given === 'auto' ? findGateway(wan.dev, family, facts) : undefined;
  const via = found ?? given;
  const onlink =
    found !== undefined ||
    (!facts.onLink.has(neighbourKey(wan.dev, via)) && isMainGateway(wan.dev, via, family, facts));
  return {
    wan,
    id: targetId(wan.name, family),
    family,
    via,
    onlink,
    shared,
    nat: natOf(wan, family),
    unusable: whyUnusable({ wan, family, via, onlink }, facts),
  };
}

/**
 * What `auto` stands for: the gateway of the main table's best default route by the device; `dev` where that route has
 * no gateway, and for a point-to-point device with an address; undefined when there is none.
 */
function findGateway(dev: string, family: Family, facts: Facts): Gateway | undefined {
  let best: { readonly via: string | undefined; readonly metric: number } | undefined;
  for (const { metric, ways } of defaultRoutes(facts.main[family])) {
    for (const way of ways) {
      if (way.dev !== dev || way.unusable || (best !== undefined && metric >= best.metric)) continue;
      best = { via: way.via, metric };
    }
  }
  if (best !== undefined) return best.via ?? 'dev';
  return hasAddress(dev, family, facts) && facts.devices.get(dev)?.pointToPoint ? 'dev' : undefined;
}

/** Whether one of the main table's default routes leads by the device to the gateway; `dev`: to no gateway. */
function isMainGateway(dev: string, via: Gateway, family: Family, facts: Facts): boolean {
  const gateway = isIP(via) === 0 ? undefined : formatAddress(parseAddress(via), 0, family);
  return defaultRoutes(facts.main[family]).some(({ ways }) =>
    ways.some((way) => way.dev === dev && !way.unusable && way.via === gateway),
  );
}

/** The devices of the default routes with the lowest metric; several where there are several such routes or ways. */
export function defaultDevices(main: readonly MainRoute[]): ReadonlySet<string> {
  const defaults = defaultRoutes(main);
  const least = Math.min(...defaults.map(({ metric }) => metric));
  const best = defaults.filter(({ metric }) => metric === least);
  return new Set(best.flatMap(({ ways }) => ways.map(({ dev }) => dev)));
}

const knownDefaults = new WeakMap<readonly MainRoute[], readonly MainRoute[]>();

/** The default routes of the main table, in its order. They are kept, since every WAN asks, and a table may be long. */
export function defaultRoutes(main: readonly MainRoute[]): readonly MainRoute[] {
  const known = knownDefaults.get(main);
  if (known !== undefined) return known;
  const found = main.filter(({ dst }) => dst === 'default');
  knownDefaults.set(main, found);
  return found;
}

function hasAddress(dev: string, family: Family, facts: Facts): boolean {
  return facts.addresses[family].some((address) => address.dev === dev);
}

/**
 * Checks that the device exists and is switched on, and that there is a gateway on it where it needs one. Without `onlink` the kernel would
 * take a gateway that lies behind another one's default route, so the facts say how it reaches each gateway
 * (fib_check_nh).
 */
function whyUnusable(
  { wan, family, via, onlink }: Pick<Uplink, 'wan' | 'family' | 'via' | 'onlink'>,
  facts: Facts,
): Unusable | undefined {
  const { name, dev } = wan;
  const no = (why: string, mistake = false) => ({
    wan: name,
    family,
    why: `WAN ${name}: ${why}`,
    mistake,
  });
  const device = facts.devices.get(dev);
  if (device === undefined) return no(`there is no device ${dev}; see 'ip link'`);
  if (!device.up) return no(`${dev} is down; ip link set ${dev} up`);
  if (via === 'auto') {
    return no(`the main table has no IPv${family} default route by ${dev} for its gateway to follow`);
  }
  if (onlink || facts.onLink.has(neighbourKey(dev, via))) return undefined;
  if (via === 'dev') {
    if (!wan.viaOmitted || !device.ethernet) return undefined;
    return no(`${dev} is an Ethernet device, which needs a gateway; add via=GATEWAY, or via=auto`, true);
  }
  // No mistake for certain, as the address may be the wrong one: a lease from another network, or none yet.
  return no(`gateway ${via} is not on the network of ${dev}; see 'ip -${family} addr show dev ${dev}'`);
}
