import type { Config } from '../config/config.js';
import { UsageError } from '../errors.js';
import { choiceRefusal } from '../plan/kernel-choice.js';
import { NO_STATES } from '../plan/states.js';
import type { Firewall } from './firewall.js';
import { prepareHost } from './prepare.js';
import { checkSetFiles } from './set-files.js';

/**
 * Checks all that can be checked before rules are changed; changes nothing.
 * @param warn told of likely mistakes
 * @throws UsageError, SystemError
 */
export async function prepareRules(config: Config, warn: (line: string) => void): Promise<Firewall> {
  const refusal = choiceRefusal(config, NO_STATES);
  if (refusal !== undefined) throw new UsageError(refusal);
  const firewall = await prepareHost(config, warn);
  checkSetFiles(config.policies.sets);
  return firewall;
}
