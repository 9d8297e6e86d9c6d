import type { PlanConfig } from '../config/config.js';
import { FAMILIES } from '../core/family.js';
import { backendName } from '../core/service.js';
import { type TargetId, targetId } from '../core/target.js';
import { carries, type Wan } from '../core/wan.js';
import { weightOf } from './candidates.js';
import { tooLong } from './choice.js';
import type { Rule } from './plan.js';
import { defaultCourse } from './policies.js';
import { FROM_OTHERS, undecided } from './rule.js';
import { refusedBits, type Scene } from './scene.js';
import type { PlanStates } from './states.js';

/**
 * The rules of WANMARK_KERNEL: the WANs' shares of the packets that nobody else decided. Where no WAN is up, the last
 * resort: packets go without a mark by the main table, or get the mark that an ip rule refuses. The refusal is for
 * forwarded packets, not for the machine's own, which may be what brings a WAN up again.
 */
export function kernelRules(scene: Scene): Rule[] {
  const { mask } = scene;
  const course = defaultCourse(scene);
  if (course !== undefined) {
    return [
      ...course.rules(0),
      ...(scene.spreads ? [] : [{ when: [], action: { kind: 'save', mask } } as const]),
    ];
  }
  const refused = refusedBits(scene);
  if (refused === undefined) return [];
  return [{ when: [undecided(mask), FROM_OTHERS], action: { kind: 'set-mark', bits: refused } }];
}

/** What the kernel's own choice depends on. */
type ChoiceConfig = Pick<PlanConfig, 'wans' | 'services' | 'rules' | 'policies'>;

/**
 * Why the kernel's own choice cannot be made with these weights; undefined when it can. Every tier is checked, since
 * any may become the lowest one. A tier with fewer WANs up never needs more slots: the sum gets smaller, and the common
 * divisor not.
 */
export function choiceRefusal(config: ChoiceConfig, states: PlanStates): string | undefined {
  const { wans, services, rules, policies } = config;
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
  for (const { name, members } of policies.used) {
    for (const tier of new Set(members.map((one) => one.tier))) {
      const those = members.filter((one) => one.tier === tier);
      const refusal = tooLong(`policy ${name}`, rules.kernelMode, those);
      if (refusal !== undefined) return refusal;
    }
  }
  for (const service of services) {
    const backends = service.backends.map((backend) => ({
      tier: backend.tier,
      weight: weightOf({ name: backendName(service, backend), weight: backend.weight }, states),
    }));
    if (backends.every(({ weight }) => weight === 0))
      return `every backend of service ${service.name} has weight 0; give one of them a weight`;
    for (const tier of new Set(backends.map((one) => one.tier))) {
      const those = backends.filter((one) => one.tier === tier);
      const refusal = tooLong(`service ${service.name}`, rules.kernelMode, those);
      if (refusal !== undefined) return refusal;
    }
  }
  return undefined;
}

/** Drops states of targets that the configuration does not have, and weights that would leave a pool with nothing but 0. */
export function fittingStates(config: ChoiceConfig, states: PlanStates): PlanStates {
  const names = new Set([
    ...config.wans.map((wan) => wan.name),
    ...config.services.flatMap((service) => service.backends.map((one) => backendName(service, one))),
  ]);
  const ids = new Set([...names].flatMap((name) => FAMILIES.map((family) => targetId(name, family))));
  const known = (those: ReadonlySet<TargetId>) => new Set([...those].filter((id) => ids.has(id)));
  const [down, suspected] = [known(states.down), known(states.suspected)];
  const weights = new Map([...states.weights].filter(([name]) => names.has(name)));
  const fitting = { down, suspected, weights };
  return choiceRefusal(config, fitting) === undefined ? fitting : { ...fitting, weights: new Map() };
}
