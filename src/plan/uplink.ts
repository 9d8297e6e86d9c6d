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
  /** Whether the main table itself uses the gateway, so that it counts as a neighbour. */
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
  const onlink = found !== undefined;
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

/** The devices of the default routes with the lowest metric; several where there are several such routes or ways. */
export function defaultDevices(main: readonly MainRoute[]): ReadonlySet<string> {
  const defaults = defaultRoutes(main);
  const least = Math.min(...defaults.map(({ metric }) => metric));
  const best = defaults.filter(({ metric }) => metric === least);
  return new Set(best.flatMap(({ ways }) => ways.map(({ dev }) => dev)));
}

function defaultRoutes(main: readonly MainRoute[]): MainRoute[] {
  return main.filter(({ dst }) => dst === 'default');
}

function hasAddress(dev: string, family: Family, facts: Facts): boolean {
  return facts.addresses[family].some((address) => address.dev === dev);
}

/**
 * Checks that the device exists and is switched on, and that the gateway is on it. Without `onlink` the kernel would
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
  if (via === 'dev' || onlink || facts.onLink.has(neighbourKey(dev, via))) return undefined;
  // A device without any network may still get one; a gateway outside the networks that it has is wrong.
  return no(
    `gateway ${via} is not on the network of ${dev}; see 'ip -${family} addr show dev ${dev}'`,
    hasAddress(dev, family, facts),
  );
}
