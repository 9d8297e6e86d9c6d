import type { Addresses } from '../config/match/address.js';
import type { PolicyRule } from '../config/rule.js';
import type { MainRoute } from './facts.js';
import { covers, type Network, parseNetwork } from './network.js';
import type { IpRule, Match } from './plan.js';
import { numberedPolicies, type Scene, wanBits } from './scene.js';

/**
 * Networks that the main table reaches by a route of its own, and that a rule of the user's names by `to`: such a network
 * itself, or a part of it. For them the rule holds and not the route; all else that main knows is left alone, whatever
 * other rules say, so that a rule for everything takes nothing from the LAN or a VPN.
 */
export function namedNetworks(scene: Scene): readonly string[] {
  return [
    ...new Set(scene.config.policies.rules.flatMap((rule) => namedBy(rule, scene).map(({ text }) => text))),
  ];
}

/** The rule for those of its destinations that main knows; undefined without any. */
export function forNamed(rule: PolicyRule, scene: Scene): PolicyRule | undefined {
  const any = namedBy(rule, scene);
  return any.length === 0 ? undefined : { ...rule, match: { ...rule.match, to: { any } } };
}

function namedBy({ match: { to } }: PolicyRule, scene: Scene): Addresses[] {
  if (to === undefined || to.not) return [];
  const specific = specificNetworks(scene);
  return to.any.filter(({ text }) => {
    const network = parseNetwork(text);
    return network !== undefined && specific.some((one) => covers(one, network));
  });
}

function specificNetworks({ facts, family }: Scene): Network[] {
  return routedNetworks(facts.main[family]).flatMap((text) => parseNetwork(text) ?? []);
}

/** What main reaches by more than its default route. */
export function routedNetworks(main: readonly MainRoute[]): string[] {
  return main.filter(({ dst, isThrow }) => dst !== 'default' && !isThrow).map(({ dst }) => dst);
}

/** Matches of what main knows more exactly than the rules name it, so that the route holds. */
export function moreSpecific(scene: Scene, named: readonly string[]): Match[] {
  const networks = named.flatMap((text) => parseNetwork(text) ?? []);
  return specificNetworks(scene)
    .filter((one) => networks.some((network) => network.bits !== one.bits && covers(network, one)))
    .filter((one) => !networks.some((network) => covers(one, network)))
    .map(({ text }) => ({ kind: 'destination', network: text }));
}

/** The ip rules that come before main's, so that a mark leads to these networks. */
export function namedRules(scene: Scene): IpRule[] {
  const priority = scene.config.rules.priority - 1;
  const refusals = numberedPolicies(scene).filter(({ policy }) => policy.members.length === 0);
  return namedNetworks(scene).flatMap((to): IpRule[] => [
    ...scene.uplinks.map(({ wan }) => ({
      priority,
      from: { kind: 'mark', bits: wanBits(scene, wan.mark), to } as const,
      to: { table: scene.config.rules.table + wan.mark },
    })),
    ...refusals.map(({ policy, bits }) => ({
      priority,
      from: { kind: 'mark', bits, to } as const,
      to: { refuse: policy.name as 'unreachable' | 'blackhole' },
    })),
  ]);
}
