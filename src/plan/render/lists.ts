import { FAMILIES } from '../../core/family.js';
import { type Plan, STAGES } from '../plan.js';
import { ipRouteLines, ipRuleLines } from './ip.js';
import { iptablesLines } from './iptables.js';

/**
 * A whole state as lists of lines: our part of a table as `4.mangle`, ip rules as `rules4`, routes as `routes6`, and
 * `settings` as DEVICE KEY VALUE. The executor reports the present state in the same form.
 */
export type Lists = ReadonlyMap<string, readonly string[]>;

/** The lists of tables, in the order in which they are made: NAT is there before anything is sent elsewhere. */
export const TABLE_LISTS = FAMILIES.flatMap((family) =>
  STAGES.map((stage) => ({ family, stage, list: `${family}.${stage}` })),
);

/** All lists of a plan. */
export function planLists({ families, settings }: Plan): Lists {
  return new Map<string, readonly string[]>([
    ...TABLE_LISTS.map(({ family, stage, list }) => [list, iptablesLines(families[family], stage)] as const),
    ...FAMILIES.flatMap((family) => [
      [`rules${family}`, ipRuleLines(families[family])] as const,
      [`routes${family}`, ipRouteLines(families[family])] as const,
    ]),
    ['settings', settings.map(({ device, key, value }) => `${device} ${key} ${value}`)],
  ]);
}
