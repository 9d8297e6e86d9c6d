import type { IpRule, TableRoute } from './plan.js';
import type { Scene } from './scene.js';
import { defaultRoutes } from './uplink.js';

/**
 * The way of the router's own IPv6 packets that nobody has decided about: a table with a copy of main's default route.
 *
 * A socket of the router that learns a path MTU, or is redirected, makes the kernel keep an exception beside the route
 * that the socket uses (rt6_insert_exception). An exception has a prefix of 128 bits, so in main it would win over the
 * WANs' tables for every client (fib6_rule_suppress compares the exception's length, not its route's). Beside a route
 * that only the router's own packets ask, it concerns nobody else. IPv4 compares the length of the route itself.
 */
export function ownRule({ config, family }: Scene): IpRule[] {
  if (family !== 6) return [];
  return [{ priority: config.rules.priority + 3, from: { kind: 'own' }, to: { table: config.rules.table } }];
}

/** The copy, of one way only; none where main has no default route that can be used. */
export function ownRoutes({ config, facts, family }: Scene): TableRoute[] {
  if (family !== 6) return [];
  const best = defaultRoutes(facts.main[family])
    .flatMap(({ metric, ways }) => ways.map((way) => ({ ...way, metric })))
    .filter(({ dev, unusable }) => dev !== '' && !unusable)
    .reduce<OneWay | undefined>((a, b) => (a === undefined || b.metric < a.metric ? b : a), undefined);
  if (best === undefined) return [];
  const { dev, via } = best;
  return [{ wan: undefined, table: config.rules.table, way: { dev, via, onlink: via !== undefined } }];
}

interface OneWay {
  readonly dev: string;
  readonly via: string | undefined;
  readonly metric: number;
}
