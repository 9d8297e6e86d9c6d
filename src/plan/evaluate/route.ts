import type { MainRoute } from '../facts.js';
import { covers, type Network, parseNetwork } from '../network.js';
import type { FamilyPlan, TableRoute } from '../plan.js';
import { typeOf } from './addresses.js';
import { type AskedRule, type Asking, askedRules } from './ip-rules.js';
import type { Surroundings } from './packet.js';

/** What the kernel's tables say of a packet. */
export type Found =
  | { readonly kind: 'local' }
  | {
      readonly kind: 'way';
      readonly rule: AskedRule;
      readonly table: string;
      readonly network: string;
      readonly dev: string;
      readonly via: string | undefined;
      /** The devices of all ways of the route. */
      readonly devices: readonly string[];
      /** The source that it gives the router's own packets. */
      readonly source: string | undefined;
    }
  /** `how` is the word for it of `ip route` and `ip rule`. */
  | { readonly kind: 'refused'; readonly rule: AskedRule; readonly how: string }
  /** No rule has an answer. */
  | { readonly kind: 'none' };

/** Where the kernel sends a packet; `filtered`: rp_filter loses it, because of this way back to its source. */
export type Route = Found | { readonly kind: 'filtered'; readonly back: Found };

/** A route, and the rules before it of which nobody can tell whether they take the packet. */
export interface Routing {
  readonly route: Found;
  readonly unsure: readonly AskedRule[];
}

/** What leads nowhere, or by a device. */
type Entry =
  | Pick<Extract<Found, { kind: 'way' }>, 'network' | 'dev' | 'via' | 'devices' | 'source'>
  | { readonly how: string };

const [LOCAL, DEFAULT] = ['255', '253'];

/** The route of a packet, as the ip rules and tables of a plan, of main and of others give it (fib_rules_lookup). */
export function findRoute(plan: FamilyPlan, asking: Asking, around: Surroundings): Routing {
  const { facts } = around;
  const { packet, dst } = asking;
  const unsure: AskedRule[] = [];
  if (typeOf(dst, packet.family, facts) === 'local') return { route: { kind: 'local' }, unsure };
  const destination = parseNetwork(dst)!;
  const lookUp = (rule: AskedRule, table: string, least: number): Entry | undefined | 'unknown' => {
    if (table === LOCAL || table === DEFAULT) return undefined;
    if (table === 'main') return best(facts.main[packet.family], destination, least);
    const own = plan.routes.find((one) => String(one.table) === table);
    if (own !== undefined) return least > 0 ? undefined : ownWay(own);
    if (rule.isOurs) return undefined;
    const routes = around.tableOf?.(packet.family, Number(table));
    return routes === undefined ? 'unknown' : best(routes, destination, least);
  };
  for (const rule of askedRules(plan.rules, facts.rules[packet.family])) {
    const holds = rule.holds(asking);
    if (holds === false) continue;
    if (holds === 'unknown' || rule.to === undefined) {
      unsure.push(rule);
      continue;
    }
    if ('refuse' in rule.to) return { route: { kind: 'refused', rule, how: rule.to.refuse }, unsure };
    const { table, least } = rule.to;
    const found = lookUp(rule, table, least);
    if (found === 'unknown') unsure.push(rule);
    else if (found !== undefined) {
      const route: Found =
        'how' in found ? { kind: 'refused', rule, ...found } : { kind: 'way', rule, table, ...found };
      return { route, unsure };
    }
  }
  return { route: { kind: 'none' }, unsure };
}

function ownWay({ way }: TableRoute): Entry {
  if ('dead' in way) return { how: 'unreachable' };
  return { network: 'default', dev: way.dev, via: way.via, devices: [way.dev], source: way.source };
}

/** The best of a table's routes that is at least this long; none where it asks the next table. */
function best(routes: readonly MainRoute[], destination: Network, least: number): Entry | undefined {
  let found: { readonly length: number; readonly route: MainRoute } | undefined;
  for (const route of routes) {
    const network = parseNetwork(route.dst === 'default' ? EVERYTHING[destination.family] : route.dst);
    if (network === undefined || !covers(network, destination)) continue;
    if (route.ways.every(({ unusable }) => unusable) && !route.isThrow) continue;
    const { length } = network.bits;
    if (
      found !== undefined &&
      (length < found.length || (length === found.length && route.metric >= found.route.metric))
    )
      continue;
    found = { length, route };
  }
  if (found === undefined || found.route.isThrow || found.length < least) return undefined;
  const { dst, ways } = found.route;
  const { dev, via } = ways.find(({ unusable }) => !unusable)!;
  if (dev === '') return { how: 'unreachable' };
  return { network: dst, dev, via, devices: ways.map((way) => way.dev), source: undefined };
}

/** The device by which the main table knows an address; undefined where it knows none. */
export function deviceTowards(address: string, main: readonly MainRoute[]): string | undefined {
  const network = parseNetwork(address);
  const found = network && best(main, network, 0);
  return found === undefined || 'how' in found ? undefined : found.dev;
}

const EVERYTHING = { 4: '0.0.0.0/0', 6: '::/0' } as const;
