import { parseNetwork } from './network.js';
import type { IpRule, SetPlan } from './plan.js';
import type { Scene } from './scene.js';
import { defaultDevices } from './uplink.js';

/**
 * The far ends of tunnels that are WANs. What such a tunnel itself sends (WireGuard, VXLAN, L2TP) is a connection of the router: a
 * WAN would be chosen for it, perhaps the tunnel, which then swallows its own packets. So it goes by the main table.
 *
 * VXLAN and Geneve look its route up with the mark of the packet inside, which leads into the tunnel for certain, and drop
 * what would go there (vxlan_xmit_one: ELOOP). That is before OUTPUT, so it takes an ip rule; and as OUTPUT looks the route up
 * again where a mark changed, it takes both.
 */
export function farEnds({ uplinks, devices, facts, family, config }: Scene): SetPlan {
  const all = uplinks.length === 0 ? [] : wanDevices(config);
  const ends = all.flatMap((device) => endsOf(device, facts));
  const elements = [...new Set(ends)].filter((one) => parseNetwork(one)?.family === family);
  return { source: { from: 'far-ends', devices: devices.length === 0 ? [] : all }, elements };
}

/** The ip rules that lead what tunnels send to their far ends by the main table, before the marks of WANs. */
export function farEndRules(scene: Scene): IpRule[] {
  const { priority } = scene.config.rules;
  return farEnds(scene).elements.map((address) => ({
    priority,
    from: { kind: 'own to', address },
    to: { table: 'whole main' },
  }));
}

/** Names the tunnels that nothing keeps from swallowing what they send themselves. */
export function tellFarEnds({ config, facts, family, uplinks, note }: Scene): void {
  const mains = defaultDevices(facts.main[family]);
  const hostRoutes = facts.main[family].some(
    ({ dst, ways }) => !dst.includes('/') && dst !== 'default' && ways.length > 0,
  );
  for (const { wan } of uplinks) {
    const ends = endsOf(wan.dev, facts);
    // A device that has a far end without being known as a tunnel is one of L2TP.
    const kind = facts.devices.get(wan.dev)?.tunnel?.kind ?? (ends.length > 0 ? 'l2tp' : undefined);
    if (kind === undefined) continue;
    const what = `warning: WAN ${wan.name}: ${wan.dev} is a tunnel (${kind})`;
    const isRouted = kind === 'tun' && hostRoutes;
    if (ends.length === 0 && !isRouted && config.rules.own && !UNBALANCED.has(kind))
      note(
        `${what} whose far end is not known, so it may be led into itself; --exclude the far end's address`,
      );
    if (mains.size === 1 && mains.has(wan.dev) && ends.length > 0)
      note(
        `${what} that main's IPv${family} default route leads into; give its far end ${ends[0]} a route of its own`,
      );
  }
}

/** Tunnels without UDP, whose packets are never balanced ({@link ownRules}). */
const UNBALANCED = new Set(['gre', 'gretap', 'ip6gre', 'ip6gretap', 'ipip', 'sit', 'ip6tnl']);

function wanDevices({ wans }: Scene['config']): readonly string[] {
  return [...new Set(wans.map(({ dev }) => dev))];
}

function endsOf(device: string, { devices, endpoints }: Scene['facts']): readonly string[] {
  const remote = devices.get(device)?.tunnel?.remote;
  return [...(remote === undefined ? [] : [remote]), ...(endpoints?.get(device) ?? [])];
}
