import type { PlanConfig } from '../../config/config.js';
import { hex } from '../../core/mark.js';
import { protocolName, UDP } from '../../core/protocol.js';
import type { Step } from '../evaluate/chains.js';
import { elementOf } from '../evaluate/match.js';
import type { Packet } from '../evaluate/packet.js';
import type { Match } from '../plan.js';

const OWN_OFF = "this router's own connections are left to the main table by --own off";

/**
 * Why nobody chooses a WAN for a packet that met these rules: in words, what the last rule asked that ended its way
 * through mangle.
 */
export function whyLeftAlone(steps: readonly Step[], packet: Packet, config: PlanConfig): string {
  const last = steps.findLast(
    ({ stage, rule: { action } }) =>
      stage === 'mangle' &&
      (action?.kind === 'return' || (action?.kind === 'goto' && action.chain === 'WANMARK_CLEAR')),
  );
  if (last !== undefined) return reasonOf(last, packet, config);
  const { lan } = config.rules;
  if (packet.in !== undefined && lan.length > 0 && !lan.includes(packet.in))
    return `it comes by ${packet.in}, which is not one of --lan ${lan.join(',')}`;
  if (packet.in === undefined && !config.rules.own) return OWN_OFF;
  return 'no rule of ours is for it';
}

function reasonOf(step: Step, packet: Packet, config: PlanConfig): string {
  const { when } = step.rule;
  const reasons = when.flatMap((match) => partReason(match, step, packet, config) ?? []);
  return reasons[0] ?? `a rule of ${step.chain} leaves it alone`;
}

/** What one condition says of the reason. */
function partReason(match: Match, step: Step, packet: Packet, config: PlanConfig): string | undefined {
  const { seen } = step;
  switch (match.kind) {
    case 'mark':
      return `it has the mark ${hex(seen.mark)} already`;
    case 'destination-in': {
      const left = elementOf({ ...match, set: 'excluded' }, seen);
      if (left !== undefined) return `${left} is left out by --exclude`;
      if (match.set === 'specific') return specificReason(elementOf(match, seen) ?? seen.dst);
      if (match.set === 'far ends') return `${seen.dst} is the far end of a tunnel that is a WAN`;
      return serviceReason(seen.dst, config);
    }
    case 'destination':
      // What is no service's is a network of main's within one that a rule names (named-networks.ts).
      return config.services.some((one) => one.address === match.network)
        ? serviceReason(match.network, config)
        : specificReason(match.network);
    case 'destination-type':
      return match.type === 'local' ? `${seen.dst} is this router itself` : `${seen.dst} is no single host`;
    case 'in-in':
    case 'in': {
      const wan = config.wans.find(({ dev }) => dev === packet.in);
      return `it comes in by WAN ${wan?.name ?? packet.in}, which its answers leave by`;
    }
    case 'out-in':
      return `it is bound to ${seen.out}, which does not carry the main table's default route`;
    case 'mark-in':
      return match.set === 'led'
        ? `an ip rule of somebody else leads its mark ${hex(seen.mark)} (--respect-marks)`
        : `an ip rule of somebody else exempts its mark ${hex(seen.mark)}`;
    case 'state':
      return OWN_OFF;
    case 'protocol':
      if (match.number === UDP) return undefined;
      return `what this router itself sends by protocol ${protocolName(match.number)} goes as its tunnel wants it`;
    case 'transport':
      return 'this router asks its DHCP server, which gave the lease';
    case 'ipsec':
      return 'an IPsec policy takes it';
    case 'words':
      return `somebody else's rule redirects it: ${match.text}`;
    default:
      return undefined;
  }
}

function specificReason(network: string): string {
  return `the main table has a route to ${network} beside its default route`;
}

function serviceReason(address: string, { services }: PlanConfig): string {
  const service = services.find((one) => one.address === address || one.device !== undefined);
  return service === undefined
    ? `${address} is a service`
    : `it is for service ${service.name}, whose backends are in 'wanmark status'`;
}
