import type { Family } from '../core/family.js';
import type { Value } from './draft.js';

/** A WAN in a policy. */
export interface PoolMember {
  readonly wan: string;
  readonly family: Family;
  /** Lower ones come first; of any size. */
  readonly metric: number;
  readonly weight: number;
}

/** Whether members of one family share traffic, so that it matters which of them a client has. */
export function shares(members: readonly PoolMember[]): boolean {
  return members.some((one) => peersOf(one, members).length > 1);
}

/** The members as `use` has them: tiers from 1 on, and weights only where they differ. */
export function useOf(members: readonly PoolMember[]): readonly Value[] {
  const metrics = [...new Set(members.map(({ metric }) => metric))].sort((a, b) => a - b);
  return members.map((member) => {
    const tier = metrics.indexOf(member.metric) + 1;
    const isEqual = peersOf(member, members).every(({ weight }) => weight === member.weight);
    const keys = { ...(isEqual ? {} : { weight: member.weight }), ...(tier === 1 ? {} : { tier }) };
    return Object.keys(keys).length === 0 ? member.wan : { wan: member.wan, ...keys };
  });
}

/** The members that one shares its traffic with, itself among them. */
function peersOf({ family, metric }: PoolMember, members: readonly PoolMember[]): readonly PoolMember[] {
  return members.filter((other) => other.family === family && other.metric === metric);
}
