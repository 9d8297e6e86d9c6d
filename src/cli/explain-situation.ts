import type { PlanConfig } from '../config/config.js';
import type { Status } from '../control/status.js';
import { targetId } from '../core/target.js';
import type { Situation } from '../plan/explain/explain.js';
import { fittingStates } from '../plan/kernel-choice.js';

/** The states of the WANs as the running daemon has them. */
export function daemonSituation(config: PlanConfig, { wans, strategy }: Status): Situation {
  const all = wans.flatMap(({ name, families }) =>
    families.map((one) => ({ ...one, id: targetId(name, one.family) })),
  );
  const those = (state: string) => new Set(all.filter((one) => one.state === state).map(({ id }) => id));
  const weights = new Map(
    wans.flatMap(({ name, weight, configuredWeight }) =>
      configuredWeight === undefined ? [] : [[name, weight]],
    ),
  );
  return {
    states: fittingStates(config, { down: those('down'), suspected: those('suspected'), weights }),
    reasons: new Map(all.map(({ id, reason }) => [id, reason])),
    strategy,
  };
}
