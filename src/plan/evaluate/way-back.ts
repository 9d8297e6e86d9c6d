import type { OtherRule } from '../facts.js';
import type { FamilyPlan } from '../plan.js';
import type { Passing } from './match.js';
import type { Surroundings } from './packet.js';
import { type Found, findRoute } from './route.js';

/** The user that what is forwarded counts as (sock_net_uid). */
const ROOT = 0;

/**
 * The way back to the source of a packet that rp_filter loses because of it; undefined where the packet passes. The way back
 * is looked up for a packet that comes in by the device that this one leaves by, or from the router itself where this one is
 * for it (fib_validate_source).
 */
export function wrongWayBack(
  plan: FamilyPlan,
  passing: Passing,
  route: Found,
  around: Surroundings,
): Found | undefined {
  const { packet, dst, mark } = passing;
  const { facts } = around;
  if (packet.in === undefined || packet.family === 6) return undefined;
  if (route.kind !== 'way' && route.kind !== 'local') return undefined;
  const { mode, byMark } = around.sourceCheck?.(packet.in) ?? { mode: 'off', byMark: false };
  if (mode === 'off') return undefined;
  // The kernel reads protocol and ports only where a rule asks for them (fib4_rules_early_flow_dissect).
  const isRead = facts.rules[4].some(asksForPorts);
  const ports = isRead ? { sport: packet.dport, dport: packet.sport } : { proto: 0, sport: 0, dport: 0 };
  const answer = {
    ...packet,
    ...ports,
    in: route.kind === 'way' ? route.dev : undefined,
    user: ROOT,
  };
  const asking = { packet: answer, src: dst, dst: packet.src, mark: byMark ? mark : 0 };
  const back = findRoute(plan, asking, around).route;
  switch (back.kind) {
    case 'local':
      return undefined;
    case 'way':
      return mode === 'loose' || back.devices.includes(packet.in) ? undefined : back;
    case 'refused':
    case 'none':
      return back;
  }
}

/** Rules for what the router itself sends do not count (fib_rule_requires_fldissect). */
function asksForPorts({ before, after }: OtherRule): boolean {
  const words = [...before, ...after].join(' ');
  return !/\biif lo\b/.test(words) && /\b(ipproto|sport|dport)\b/.test(words);
}
