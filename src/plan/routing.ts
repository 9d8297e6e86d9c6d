import type { Family } from '../core/family.js';
import { farEndRules } from './far-ends.js';
import { namedRules } from './named-networks.js';
import { covers, parseNetwork } from './network.js';
import { followOthers } from './others.js';
import { ownRoutes, ownRule } from './own.js';
import type { DeviceSetting, IpRule, TableRoute } from './plan.js';
import { policyRules, strictWans } from './policies.js';
import { refusedBits, type Scene, wanBits } from './scene.js';
import type { Uplink } from './uplink.js';

/**
 * The ip rules:
 *
 *     before P                                     copies of rules that somebody else made (others.ts)
 *     P - 1  fwmark K/M to NET lookup T+K          networks of main's that a rule names (named-networks.ts)
 *     P      lookup main suppress_prefixlength 0   specific routes win over every WAN's table
 *     P      fwmark K/M iif <device of K> lookup main   what came by a WAN goes on by main
 *     P      to <far end> iif lo ipproto udp lookup main   what a tunnel that is a WAN sends (far-ends.ts)
 *     P + 1  fwmark K/M lookup T+K                 the chosen WAN
 *     P + 1  fwmark M/M unreachable                where the last resort is to refuse
 *     P + 1  fwmark V/M lookup T+K, unreachable    what nobody chose for, of a policy that does not lead to main
 *     P + 2  fwmark K/M unreachable                where a policy with K never leads to main, and K has no route now
 *     P + 2  from <address of K> lookup T+K        sockets bound to a WAN's address
 *     P + 3  iif lo lookup T                       the router's own packets: IPv6, and TCP (own.ts)
 *
 * The last two are one later where such a refusal stands before them.
 *
 * fwmark stands before from: OUTPUT looks the route up again with the source address that the first look-up chose
 * (ip_route_me_harder), so `from` would undo every choice.
 *
 * What comes by a WAN has the mark of its connection, for strict rp_filter, whose look-up of the way back has the mark
 * but not the device (fib_validate_source). Going by it would send a packet for the Internet, as a hub of tunnels has
 * them, back to where it came from. Only the answers, which come by another device, are led by it. What comes by the
 * device with another WAN's mark is from clients that share it with the WAN's gateway.
 *
 * Rules of one priority exclude each other or come to the same end, so their order means nothing.
 */
export function ipRules(scene: Scene): IpRule[] {
  const { config, isOurs, uplinks } = scene;
  if (!isOurs) return [];
  const { priority } = config.rules;
  const refused = refusedBits(scene);
  const named = namedRules(scene);
  const strict = strictWans(scene);
  const later = addressDelay(scene);
  return [
    ...followOthers(scene, named.length > 0 ? 1 : 0),
    ...named,
    { priority, from: { kind: 'all' }, to: { table: 'main' } },
    ...farEndRules(scene),
    ...uplinks.map(
      ({ wan }): IpRule => ({
        priority,
        from: { kind: 'in', device: wan.dev, bits: wanBits(scene, wan.mark) },
        to: { table: 'whole main' },
      }),
    ),
    ...uplinks.map(
      ({ wan }): IpRule => ({
        priority: priority + 1,
        from: { kind: 'mark', bits: wanBits(scene, wan.mark) },
        to: { table: tableOf(scene, wan.mark) },
      }),
    ),
    ...(refused === undefined || config.rules.lastResort === 'main'
      ? []
      : [
          {
            priority: priority + 1,
            from: { kind: 'mark', bits: refused },
            to: { refuse: config.rules.lastResort },
          } as const,
        ]),
    ...policyRules(scene),
    ...uplinks
      .filter(({ wan }) => strict.has(wan.name))
      .map(
        ({ wan }): IpRule => ({
          priority: priority + 2,
          from: { kind: 'mark', bits: wanBits(scene, wan.mark) },
          to: { refuse: 'unreachable' },
        }),
      ),
    ...addressRules(scene).map(
      ({ address, table }): IpRule => ({
        priority: priority + 2 + later,
        from: { kind: 'address', address },
        to: { table },
      }),
    ),
    ...(uplinks.length === 0 ? [] : ownRule(scene)).map((rule) => ({
      ...rule,
      priority: rule.priority + later,
    })),
  ];
}

function tableOf({ config }: Scene, mark: number): number {
  return config.rules.table + mark;
}

interface Owned {
  readonly address: string;
  readonly table: number;
}

/** The WANs' addresses, without those that several WANs have. */
function addressRules(scene: Scene): Owned[] {
  const all = scene.uplinks.flatMap((uplink) => ownAddresses(scene, uplink));
  const unique = new Map(all.map((one) => [`${one.address} ${one.table}`, one]));
  const owners = (address: string) => [...unique.values()].filter((one) => one.address === address).length;
  return [...unique]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, one]) => one)
    .filter(({ address }) => owners(address) === 1);
}

/**
 * On a shared device an address belongs to the WAN whose gateway lies in its network; an address whose network holds
 * several gateways belongs to none.
 */
function ownAddresses(scene: Scene, { wan, via, shared, family }: Uplink): Owned[] {
  const gateway = via === 'dev' ? undefined : parseNetwork(via);
  return scene.facts.addresses[family]
    .filter(({ dev, address }) => {
      if (dev !== wan.dev || !shared) return dev === wan.dev;
      const network = parseNetwork(address);
      return gateway !== undefined && network !== undefined && covers(network, gateway);
    })
    .map(({ address }) => ({ address: address.split('/', 1)[0]!, table: tableOf(scene, wan.mark) }));
}

/**
 * The default route of each WAN's table, and of the router's own. Without a route in its table, packets of a WAN would leave by another one with
 * an address that does not belong there, and a probe bound to the WAN's address would succeed by the other WAN. So a
 * WAN that cannot be used gets a route that leads nowhere. When a route goes with its device, the table stays empty
 * until the next refresh: the main table takes over, so that no new connection fails.
 */
export function tableRoutes(scene: Scene): TableRoute[] {
  const ways = scene.uplinks.map(({ wan, via, onlink, unusable }) => ({
    wan: wan.name,
    table: tableOf(scene, wan.mark),
    way:
      unusable === undefined
        ? { dev: wan.dev, via: via === 'dev' ? undefined : via, onlink }
        : ({ dead: true } as const),
  }));
  return [...ways, ...(ways.length === 0 ? [] : ownRoutes(scene))];
}

/** By how much rules by address come later, since a refusal must come before what knows nothing of policies. */
export function addressDelay(scene: Parameters<typeof strictWans>[0]): number {
  return strictWans(scene).size > 0 ? 1 : 0;
}

/**
 * The src_valid_mark setting, with which strict rp_filter looks up the way back with the packet's mark. Where filtering
 * is not strict it is left alone: nothing needs it there, and the way back of a transparent proxy's packet would be
 * looked up with the proxy's mark, which leads to the router itself (fib_validate_source: a martian). IPv6 has no
 * rp_filter.
 */
export function deviceSettings(scenes: Readonly<Record<Family, Scene>>): DeviceSetting[] {
  const { devices, facts } = scenes[4];
  return devices
    .filter((device) => facts.strict.has(device))
    .map((device) => ({ device, key: 'src_valid_mark', value: 1 }));
}
