import type { Config } from '../../config/config.js';
import { ruleFlags } from '../../config/flags.js';
import { isRefusal } from '../../errors.js';
import { checkRules } from '../../system/install.js';
import { type Installed, installedConfig, rulesAreUp } from '../../system/installed.js';
import type { RulesFacts } from '../facts.js';

/** Looks at the rules as `wanmark check` does. */
export async function readRules(config: Config, installed: Installed | undefined): Promise<RulesFacts> {
  if (installed === undefined) return { state: rulesAreUp() ? 'of another version' : 'not up' };
  try {
    const { code, missing, said } = await checkRules();
    const failure = said.at(-1);
    if (code !== 0 && missing.length === 0) return { state: 'unseen', why: failure ?? `exit code ${code}` };
    return { state: 'seen', missing, differs: ruleFlags(config) !== ruleFlags(installedConfig(installed)) };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { state: 'unseen', why: error.message };
  }
}
