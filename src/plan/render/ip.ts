import { hex } from '../../core/mark.js';
import type { FamilyPlan, OwnIpRule, TableRoute } from '../plan.js';

/** The rtm_protocol number that marks every ip rule and route as ours; iproute2 has no name for 100 to 185. */
export const PROTOCOL = 119;

/** The ip rules in the form of `ip rule`: `priority 20001 fwmark 0x1/0xff lookup 1001`. */
export function ipRuleLines({ rules }: Pick<FamilyPlan, 'rules'>): string[] {
  return rules.map((rule) => {
    const words =
      'words' in rule ? [rule.words.replace(/^from all /, '')] : [...selector(rule.from), target(rule.to)];
    return [`priority ${rule.priority}`, ...words].join(' ');
  });
}

function selector(from: OwnIpRule['from']): string[] {
  switch (from.kind) {
    case 'all':
      return [];
    case 'in':
      return [`fwmark ${hex(from.bits.value)}/${hex(from.bits.mask)} iif ${from.device}`];
    case 'mark':
      return [
        `${from.to === undefined ? '' : `to ${from.to} `}fwmark ${hex(from.bits.value)}/${hex(from.bits.mask)}`,
      ];
    case 'address':
      return [`from ${from.address}`];
    case 'own to':
      return [`to ${from.address} iif lo ipproto 17`];
    case 'own':
      // The protocol as a number, as `ip -N` prints it.
      return ['iif lo', ...(from.tcp ? ['ipproto 6'] : [])];
  }
}

function target(to: OwnIpRule['to']): string {
  if ('refuse' in to) return to.refuse;
  if (to.table === 'whole main') return 'lookup main';
  return to.table === 'main' ? 'lookup main suppress_prefixlength 0' : `lookup ${to.table}`;
}

/** The routes in the form of `ip route`: `default via 192.0.2.1 dev eth1 table 1001`. */
export function ipRouteLines({ routes }: Pick<FamilyPlan, 'routes'>): string[] {
  return routes.map(routeLine);
}

function routeLine({ way, table }: TableRoute): string {
  if ('dead' in way) return `unreachable default table ${table}`;
  const { dev, via, source, onlink } = way;
  const src = source === undefined ? [] : ['src', source];
  const gateway = via === undefined ? [] : ['via', via];
  const flags = via !== undefined && onlink ? ['onlink'] : [];
  return ['default', ...gateway, 'dev', dev, ...src, ...flags, 'table', table].join(' ');
}
