import type { TargetId } from '../core/target.js';
import type { Share } from './plan.js';
import type { PlanStates } from './states.js';

/** A member of a pool in one family. */
export interface Option {
  readonly id: TargetId;
  /** The target's name, under which its weight may have been changed. */
  readonly name: string;
  /** The configured weight. */
  readonly weight: number;
  readonly tier: number;
  /** The target's number, shifted into the mask. */
  readonly value: number;
}

/** The current weight. */
export function weightOf({ name, weight }: Pick<Option, 'name' | 'weight'>, states: PlanStates): number {
  return states.weights.get(name) ?? weight;
}

/** The members that are up and have a weight, in all tiers. Suspected ones are left out unless all are. */
export function working(options: readonly Option[], states: PlanStates): readonly Option[] {
  const up = options.filter((one) => weightOf(one, states) > 0 && !states.down.has(one.id));
  const trusted = up.filter(({ id }) => !states.suspected.has(id));
  return trusted.length > 0 ? trusted : up;
}

/**
 * The shares of the members that are up and have a weight, in the lowest tier that has any. Suspected ones are left out
 * unless all are.
 */
export function sharesOf(options: readonly Option[], states: PlanStates): Share[] {
  const able = working(options, states);
  const tier = Math.min(...able.map((one) => one.tier));
  return able
    .filter((one) => one.tier === tier)
    .map((one) => ({ name: one.name, value: one.value, weight: weightOf(one, states) }));
}
