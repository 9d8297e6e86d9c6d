import type { PlanConfig } from '../config/config.js';
import { FAMILIES } from '../core/family.js';
import { type TargetId, targetId } from '../core/target.js';
import { carries, type Wan } from '../core/wan.js';
import { tooLong } from './choice.js';
import type { Rule, Share } from './plan.js';
import { FROM_OTHERS, undecided } from './rule.js';
import { refusedBits, type Scene, wanBits } from './scene.js';
import type { PlanStates } from './states.js';
import type { Uplink } from './uplink.js';

/**
 * The rules of WANMARK_KERNEL: the WANs' shares of the packets that nobody else decided. Where no WAN is up, the last
 * resort: packets go without a mark by the main table, or get the mark that an ip rule refuses. The refusal is for
 * forwarded packets, not for the machine's own, which may be what brings a WAN up again.
 */
export function kernelRules(scene: Scene): Rule[] {
  const { config, mask } = scene;
  const shares = candidates(scene);
  if (shares.length > 0) {
    return [
      { when: [], action: { kind: 'choose', choice: { mask, mode: config.rules.kernelMode, shares } } },
      ...(scene.spreads ? [] : [{ when: [], action: { kind: 'save', mask } } as const]),
    ];
  }
  const refused = refusedBits(scene);
  if (refused === undefined) return [];
  return [{ when: [undecided(mask), FROM_OTHERS], action: { kind: 'set-mark', bits: refused } }];
}

/**
 * The shares of the WANs that are up and have a weight, in the lowest tier that has any. Suspected ones are left out
 * unless all are.
 */
function candidates(scene: Scene): Share[] {
  const { states } = scene;
  const working = scene.uplinks.filter(
    (uplink) => weightOf(uplink.wan, states) > 0 && !isAway(uplink, states),
  );
  const trusted = working.filter(({ id }) => !states.suspected.has(id));
  const able = trusted.length > 0 ? trusted : working;
  const tier = Math.min(...able.map(({ wan }) => wan.tier));
  return able
    .filter(({ wan }) => wan.tier === tier)
    .toSorted((a, b) => a.wan.mark - b.wan.mark)
    .map(({ wan }) => ({
      name: wan.name,
      value: wanBits(scene, wan.mark).value,
      weight: weightOf(wan, scene.states),
    }));
}

function isAway({ id, unusable }: Uplink, states: PlanStates): boolean {
  return unusable !== undefined || states.down.has(id);
}

/** The current weight. */
function weightOf(wan: Wan, states: PlanStates): number {
  return states.weights.get(wan.name) ?? wan.weight;
}

/** What the kernel's own choice depends on. */
type ChoiceConfig = Pick<PlanConfig, 'wans' | 'services' | 'rules'>;

/**
 * Why the kernel's own choice cannot be made with these weights; undefined when it can. Every tier is checked, since
 * any may become the lowest one. A tier with fewer WANs up never needs more slots: the sum gets smaller, and the common
 * divisor not.
 */
export function choiceRefusal(config: ChoiceConfig, states: PlanStates): string | undefined {
  const { wans, services, rules } = config;
  if (wans.length > 0 && wans.every((wan) => weightOf(wan, states) === 0)) {
    return 'every WAN has weight 0; give one of them a weight';
  }
  const withWeights = (list: readonly Wan[]) => list.map((wan) => ({ weight: weightOf(wan, states) }));
  for (const family of FAMILIES) {
    for (const tier of new Set(wans.map((wan) => wan.tier))) {
      const those = wans.filter((wan) => wan.tier === tier && carries(wan, family));
      const refusal = tooLong('WANs', rules.kernelMode, withWeights(those));
      if (refusal !== undefined) return refusal;
    }
  }
  return services
    .map(({ name, backends }) => tooLong(`service ${name}`, rules.kernelMode, backends))
    .find((refusal) => refusal !== undefined);
}

/** Drops states of targets that the configuration does not have, and weights that would leave every WAN with 0. */
export function fittingStates(config: ChoiceConfig, states: PlanStates): PlanStates {
  const ids = new Set(config.wans.flatMap((wan) => FAMILIES.map((family) => targetId(wan.name, family))));
  const names = new Set(config.wans.map((wan) => wan.name));
  const known = (those: ReadonlySet<TargetId>) => new Set([...those].filter((id) => ids.has(id)));
  const [down, suspected] = [known(states.down), known(states.suspected)];
  const weights = new Map([...states.weights].filter(([name]) => names.has(name)));
  const fitting = { down, suspected, weights };
  return choiceRefusal(config, fitting) === undefined ? fitting : { ...fitting, weights: new Map() };
}
