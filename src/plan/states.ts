import type { TargetId } from '../core/target.js';

/** What a plan has to know of the targets' states: the part that the kernel's own choice goes by. */
export interface PlanStates {
  /** Targets that get no new connections. */
  readonly down: ReadonlySet<TargetId>;
  /** Weights of the moment, by target name, where they are not the configured ones. Whole numbers, 0 to 65535. */
  readonly weights: ReadonlyMap<string, number>;
}

/** Nothing is known: all are up, with the weights of the configuration. */
export const NO_STATES: PlanStates = { down: new Set(), weights: new Map() };
