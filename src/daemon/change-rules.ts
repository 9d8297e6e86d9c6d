import type { States } from '../core/states.js';
import { SystemError } from '../errors.js';
import { rulesAreUp } from '../system/installed.js';
import type { Prepared } from './reload.js';

/**
 * Brings the rules that are up in line with another configuration. Where they are not, nobody asked for them. What fails
 * is undone.
 * @param states the current states, those of targets that are not in the configuration among them
 * @throws UsageError, SystemError
 */
export async function changeRules({ raw, config, firewall }: Prepared, states: States): Promise<void> {
  if (firewall === undefined || !rulesAreUp()) return;
  const [{ upRules }, { fittingStates }] = await Promise.all([
    import('../system/install.js'),
    import('../plan/kernel-choice.js'),
  ]);
  const { code, said } = await upRules({ raw, config, firewall, states: fittingStates(config, states) });
  if (code === 0) return;
  const why = said.at(-1) ?? `exit code ${code}`;
  throw new SystemError('RULES_REFUSED', `the rules could not be changed: ${why}`);
}
