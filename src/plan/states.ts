import { type TargetId, targetId } from '../core/target.js';
import { type Wan, wanTarget } from '../core/wan.js';

/** The part of the targets' states that the kernel's own choice goes by. */
export interface PlanStates {
  /** Targets that get no new connections. */
  readonly down: ReadonlySet<TargetId>;
  /** Targets that get no new connections while another one that gets them is not suspected. */
  readonly suspected: ReadonlySet<TargetId>;
  /** Current weights that differ from the configured ones, by target name. Whole numbers, 0 to 65535. */
  readonly weights: ReadonlyMap<string, number>;
}

/** No states: every target is up and has its configured weight. */
export const NO_STATES: PlanStates = { down: new Set(), suspected: new Set(), weights: new Map() };

/** The states before any daemon has looked: WANs that start down get no new connections. */
export function initialStates(wans: readonly Wan[]): PlanStates {
  const down = wans
    .filter(({ startsDown }) => startsDown)
    .flatMap((wan) => wanTarget(wan).families.map((family) => targetId(wan.name, family)));
  return { ...NO_STATES, down: new Set(down) };
}
