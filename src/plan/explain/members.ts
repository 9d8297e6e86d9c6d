import type { UsedPolicy } from '../../config/policies.js';
import { DEFAULT_POLICY, type PolicyMember } from '../../config/policy.js';
import { type TargetId, targetId } from '../../core/target.js';
import { sharesOf, working } from '../candidates.js';
import type { Surroundings } from '../evaluate/packet.js';
import { currentMembers, optionsOf, unweighted } from '../policies.js';
import { type Scene, wanBits } from '../scene.js';
import { clientSetName, keptByKernel } from '../stickiness.js';
import type { MemberShown, PolicyShown } from './explanation.js';

/** Why targets are in their states, as far as somebody has looked. */
export type Reasons = ReadonlyMap<TargetId, string>;

/** A policy as it stands at the moment. */
export type Standing = Omit<PolicyShown, 'members'> & {
  readonly members: readonly Ranked[];
  /** The strategy of its own, where it has one. */
  readonly strategy: string | undefined;
};

/** A member, and its number in the mark, shifted. */
export type Ranked = MemberShown & {
  readonly value: number;
  readonly mark: number;
  /** Whether it can carry new connections, in whatever tier. */
  readonly isAble: boolean;
};

/** The policies that a connection comes to, from the one that a rule leads it to up to the first that has a WAN for it. */
export function standings(scene: Scene, name: string, reasons: Reasons): Standing[] {
  const { policies, rules } = scene.config;
  const policy = policies.used.find((one) => one.name === name);
  const standing =
    policy === undefined
      ? standingOf(scene, reasons, DEFAULT_POLICY, currentMembers(scene), rules.lastResort, undefined)
      : standingOf(scene, reasons, name, currentMembers(scene, policy), noneOf(policy), policy.strategy);
  const isEnd = policy === undefined || typeof policy.none === 'string';
  if (isEnd || standing.members.some(({ why }) => why === null)) return [standing];
  return [standing, ...standings(scene, noneOf(policy), reasons)];
}

function noneOf({ none }: UsedPolicy): string {
  return typeof none === 'string' ? none : none.policy;
}

function standingOf(
  scene: Scene,
  reasons: Reasons,
  name: string,
  members: readonly PolicyMember[],
  none: string,
  strategy: string | undefined,
): Standing {
  const { config } = scene;
  const options = optionsOf(scene, members);
  const shares = sharesOf(options, unweighted(scene));
  const able = working(options, unweighted(scene));
  const total = shares.reduce((sum, { weight }) => sum + weight, 0);
  const preferred = members.find(({ wan }) => wan === shares[0]?.name)?.tier;
  const ranked = members.map((member): Ranked => {
    const share = shares.find((one) => one.name === member.wan);
    const { mark } = config.wans.find((one) => one.name === member.wan)!;
    return {
      ...member,
      share: share === undefined ? 0 : share.weight / total,
      why: share === undefined ? whyOut(scene, member, reasons, preferred) : null,
      mark,
      isAble: able.some((one) => one.name === member.wan),
      value: wanBits(scene, mark).value,
    };
  });
  return { name, members: ranked, none, strategy };
}

/** Why a member takes no new connections. @param preferred the tier of those that take them */
function whyOut(
  { uplinks, states, family }: Scene,
  { wan, weight, tier }: PolicyMember,
  reasons: Reasons,
  preferred: number | undefined,
): string {
  const id = targetId(wan, family);
  const uplink = uplinks.find((one) => one.id === id);
  const because = reasons.has(id) ? `: ${reasons.get(id)}` : '';
  if (uplink === undefined) return `it carries no IPv${family}; give it ${family === 6 ? 'via6' : 'via'}=`;
  if (uplink.unusable !== undefined) return uplink.unusable.why.replace(/^WAN \S+: /, '');
  if (states.down.has(id)) return `down${because}`;
  if (weight === 0) return 'its weight is 0';
  if (states.suspected.has(id)) return `suspected${because}`;
  return `of tier ${tier}, while one of tier ${preferred} works`;
}

/** The member that has a client already, and keeps it as long as it can carry it. @param inIpset asks the kernel's sets */
export function keeperOf(
  scene: Scene,
  { name, members }: Standing,
  src: string,
  inIpset: Surroundings['inIpset'],
): Ranked | undefined {
  if (keptByKernel(scene, name) === undefined) return undefined;
  return members.find(
    ({ isAble, mark }) => isAble && inIpset?.(clientSetName(scene.family, name, mark), src) === true,
  );
}
