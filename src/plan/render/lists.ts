import { FAMILIES, type Family } from '../../core/family.js';
import { type Plan, STAGES, type Stage } from '../plan.js';
import { ipRouteLines, ipRuleLines } from './ip.js';
import { iptablesLines } from './iptables.js';
import { nftLines } from './nft/nft.js';

/** Who carries out the rules: iptables (of either variant), or nft alone. */
export type Backend = 'iptables' | 'nft';

/**
 * A whole state as lists of lines: our part of an iptables table as `4.mangle`, all of our nft table as `nft`, ip rules as
 * `rules4`, routes as `routes6`, and `settings` as DEVICE KEY VALUE. The executor reports the present state in the same form.
 */
export type Lists = ReadonlyMap<string, readonly string[]>;

/** The lists of tables, in the order in which they are made: NAT is there before anything is sent elsewhere. */
export const TABLE_LISTS = FAMILIES.flatMap((family) =>
  STAGES.map((stage) => ({ family, stage, list: `${family}.${stage}` })),
);

/** All lists of a plan. Those of the other backend are empty, so that a change of the backend takes its rules away. */
export function planLists(plan: Plan, backend: Backend = 'iptables'): Lists {
  const { families, settings } = plan;
  const tableLines = (family: Family, stage: Stage) =>
    backend === 'iptables' ? iptablesLines(families[family], stage) : [];
  return new Map<string, readonly string[]>([
    ...TABLE_LISTS.map(({ family, stage, list }) => [list, tableLines(family, stage)] as const),
    ['nft', backend === 'nft' ? nftLines(plan) : []],
    ...FAMILIES.flatMap((family) => [
      [`rules${family}`, ipRuleLines(families[family])] as const,
      [`routes${family}`, ipRouteLines(families[family])] as const,
    ]),
    ['settings', settings.map(({ device, key, value }) => `${device} ${key} ${value}`)],
  ]);
}
