import type { MemberStatus } from '../control/status.js';

type Line = Omit<MemberStatus, 'share' | 'target'>;

/**
 * Adds each member's share of the picks, and its target share by weight among those of the lowest tier that are up; where
 * none is, among those that are suspected, which take the connections then.
 */
export function withShares(members: readonly Line[]): MemberStatus[] {
  const picks = members.reduce((sum, member) => sum + member.picks, 0);
  const inState = (state: Line['state']) => members.filter((member) => member.state === state);
  const up = inState('up');
  const able = up.length > 0 ? up : inState('suspected');
  const tier = Math.min(...able.map((member) => member.tier));
  const taking = able.filter((member) => member.tier === tier);
  const weights = taking.reduce((sum, member) => sum + member.weight, 0);
  return members.map((member) => ({
    ...member,
    share: picks === 0 ? 0 : member.picks / picks,
    target: taking.includes(member) ? member.weight / weights : 0,
  }));
}
