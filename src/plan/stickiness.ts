import { stickyPolicies } from '../config/policies.js';
import type { Family } from '../core/family.js';
import type { Sticky } from '../core/stickiness.js';
import type { Option } from './candidates.js';
import type { MarkBits, Rule, SetPlan } from './plan.js';
import { hasMark } from './rule.js';
import { type Scene, wanBits } from './scene.js';

/** The name of the set of a policy's clients that a WAN has. @param number the WAN's */
export function clientSetName(family: Family, policy: string, number: number): string {
  return `WANMARK_${family}C_${policy}_${number.toString(36)}`;
}

/** Whether a set of ours has such a name. */
export function isClientSet(name: string): boolean {
  return /^WANMARK_[46]C_/.test(name);
}

/** How the kernel keeps a policy's clients; undefined where it keeps none. It knows no pairs. */
export function keptByKernel({ config, facts }: Scene, policy: string): Sticky | undefined {
  const sticky = stickyPolicies(config.policies).get(policy);
  return sticky?.by === 'src' && facts.keepsClients === true ? sticky : undefined;
}

/** A WAN of a policy, with the set of the clients that it has. */
interface Keeper {
  readonly wan: string;
  readonly bits: MarkBits;
  readonly set: string;
}

/** The WANs of a policy that carry the family. */
function keepersOf(scene: Scene, policy: string): Keeper[] {
  const members = scene.config.policies.used.find(({ name }) => name === policy)?.members;
  return scene.uplinks
    .filter(({ wan }) => members === undefined || members.some((one) => one.wan === wan.name))
    .map(({ wan: { name, mark } }) => ({
      wan: name,
      bits: wanBits(scene, mark),
      set: clientSetName(scene.family, policy, mark),
    }));
}

/** The sets of clients that the kernel is to keep for a family. They fill and empty themselves. */
export function clientSets(scene: Scene): [string, SetPlan][] {
  const kept = [...stickyPolicies(scene.config.policies).keys()].filter((name) => keptByKernel(scene, name));
  return kept.flatMap((policy) =>
    keepersOf(scene, policy).map(({ set }): [string, SetPlan] => [
      set,
      { source: { from: 'clients' }, elements: [], held: set },
    ]),
  );
}

/**
 * A choice by which a client keeps the WAN that it had, as long as that can carry it, in whatever tier; its time begins
 * anew. Whoever is not known, or has to leave, keeps what is chosen.
 * @param choice chooses for what still has no mark, and gives it one
 * @param able the members of the policy that can carry new connections
 */
export function keeping(
  scene: Scene,
  policy: string,
  able: readonly Option[],
  choice: { readonly rule: Rule; readonly undecided: number },
): Rule[] {
  const sticky = keptByKernel(scene, policy);
  if (sticky === undefined) return [choice.rule];
  const { mask } = scene;
  const keepers = keepersOf(scene, policy);
  const seconds = sticky.forMs / 1000;
  return [
    ...keepers
      .filter(({ wan }) => able.some(({ name }) => name === wan))
      .map(
        ({ bits, set }): Rule => ({
          when: [hasMark(choice.undecided, mask), { kind: 'source-in', set }],
          action: { kind: 'set-mark', bits },
        }),
      ),
    choice.rule,
    ...keepers.flatMap(({ bits, set }): Rule[] => [
      { when: [hasMark(bits.value, mask)], action: { kind: 'remember', set, seconds } },
      { when: [{ kind: 'mark', bits, not: true }], action: { kind: 'forget', set } },
    ]),
  ];
}

/** Says what does not hold where the kernel cannot keep clients. */
export function tellStickiness(scene: Scene): void {
  const { config, facts, uplinks, note } = scene;
  if (uplinks.length === 0) return;
  const { engine } = config.rules;
  const whenever =
    engine !== 'nfqueue'
      ? `with engine ${engine} clients do not keep their WANs`
      : 'clients keep their WANs only while the daemon runs';
  for (const [name, { by }] of stickyPolicies(config.policies)) {
    if (by === 'src+dst') {
      note(`warning: policy ${name}: sticky by src+dst is the daemon's alone: ${whenever}`);
    } else if (facts.keepsClients === false) {
      note(
        `warning: policy ${name}: ${whenever}, since the kernel keeps no sets; 'modprobe ip_set_hash_ip xt_set' ` +
          "(OpenWrt: install kmod-ipt-ipset), then 'wanmark up' again",
      );
    }
  }
}
