import type { MemberStatus } from '../control/status.js';

type Line = Omit<MemberStatus, 'share' | 'target'>;

/**
 * Adds each member's share of the picks, and its target share by weight among the members of its state `up` and lowest
 * tier.
 */
export function withShares(members: readonly Line[]): MemberStatus[] {
  const picks = members.reduce((sum, member) => sum + member.picks, 0);
  const up = members.filter((member) => member.state === 'up');
  const tier = Math.min(...up.map((member) => member.tier));
  const taking = up.filter((member) => member.tier === tier);
  const weights = taking.reduce((sum, member) => sum + member.weight, 0);
  return members.map((member) => ({
    ...member,
    share: picks === 0 ? 0 : member.picks / picks,
    target: taking.includes(member) ? member.weight / weights : 0,
  }));
}
