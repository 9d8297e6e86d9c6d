import type { PlanConfig } from '../config/config.js';
import { carries, natOf } from '../core/wan.js';
import type { Address } from './facts.js';
import { covers, parseNetwork } from './network.js';
import type { IpRule, TableRoute } from './plan.js';
import type { Scene } from './scene.js';
import { defaultRoutes } from './uplink.js';

/**
 * The way of the router's own packets that nobody has decided about: a table with a copy of main's default route.
 *
 * IPv6, all packets. A socket of the router that learns a path MTU, or is redirected, makes the kernel keep an exception
 * beside the route that the socket uses (rt6_insert_exception). An exception has a prefix of 128 bits, so in main it would
 * win over the WANs' tables for every client (fib6_rule_suppress compares the exception's length, not its route's).
 * Beside a route that only the router's own packets ask, it concerns nobody else. IPv4 compares the length of the route
 * itself.
 *
 * IPv4, TCP. The kernel chooses the source of a connection before its WAN is chosen, and main's default route gives it the
 * address of one WAN. When that address goes, connections by all other WANs would go with it (__ip_dev_find), so the
 * copy gives them an address of the LAN, which NAT replaces. UDP is left out: a server that listens on all
 * addresses would answer from the LAN's address, which is not the one that it was asked at.
 */
export function ownRule(scene: Scene): IpRule[] {
  const { config, family } = scene;
  const isTcp = family === 4;
  if (isTcp && ownSource(scene) === undefined) return [];
  const from = isTcp ? ({ kind: 'own', tcp: true } as const) : ({ kind: 'own' } as const);
  return [{ priority: config.rules.priority + 3, from, to: { table: config.rules.table } }];
}

/** The copy, of one way only; none where main has no default route that can be used. */
export function ownRoutes(scene: Scene): TableRoute[] {
  const { config, facts, family } = scene;
  const source = ownSource(scene);
  if (family === 4 && source === undefined) return [];
  const best = defaultRoutes(facts.main[family])
    .flatMap(({ metric, ways }) => ways.map((way) => ({ ...way, metric })))
    .filter(({ dev, unusable }) => dev !== '' && !unusable)
    .reduce<OneWay | undefined>((a, b) => (a === undefined || b.metric < a.metric ? b : a), undefined);
  if (best === undefined) return [];
  const { dev, via } = best;
  return [
    { wan: undefined, table: config.rules.table, way: { dev, via, source, onlink: via !== undefined } },
  ];
}

interface OneWay {
  readonly dev: string;
  readonly via: string | undefined;
  readonly metric: number;
}

/** RFC 1918: addresses that nobody outside could answer, so NAT is there for them anyhow. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map((text) => parseNetwork(text)!);

/** Whether the configuration lets the router's own TCP connections have an address of the LAN: NAT replaces it everywhere. */
export function mayHaveOwnSource({ wans, rules }: Pick<PlanConfig, 'wans' | 'rules'>): boolean {
  // An own connection by main's default route lives by the address that this route gives it.
  if (!rules.own) return false;
  const carried = wans.filter((wan) => carries(wan, 4));
  const isTranslated = carried.every((wan) => natOf(wan, 4) !== 'none' && !natOf(wan, 4).includes('/'));
  return new Set(carried.map(({ dev }) => dev)).size > 1 && isTranslated && rules.exclude.length === 0;
}

/**
 * A private address of a device that is no WAN and has no far end. None where somebody routes by source: such a rule
 * is about the LAN, and the router's own connections would begin to follow it.
 */
function ownSource(scene: Scene): string | undefined {
  const { facts, devices, config, family } = scene;
  const bySource = facts.rules[4].some(({ before }) => before[0] !== 'from all');
  if (family === 6 || !mayHaveOwnSource(config) || bySource) return undefined;
  const { lan } = config.rules;
  const fits = ({ dev, address }: Address) => {
    if (devices.includes(dev) || facts.devices.get(dev)?.pointToPoint !== false) return false;
    const network = parseNetwork(address);
    return network !== undefined && PRIVATE.some((one) => covers(one, network));
  };
  const addresses = facts.addresses[4];
  const best = addresses.find((one) => lan.includes(one.dev) && fits(one)) ?? addresses.find(fits);
  return best?.address.split('/', 1)[0];
}
