import type { CommandModule } from 'yargs';
import { type Config, parseConfig } from '../../config/config.js';
import { POLICY_OPTIONS } from '../../config/options/policies.js';
import { RULE_OPTIONS } from '../../config/options/rules.js';
import { SERVICE_OPTIONS } from '../../config/options/services.js';
import { WAN_OPTIONS } from '../../config/options/wans.js';
import type { RawConfig } from '../../config/options.js';
import { UsageError } from '../../errors.js';
import { choiceRefusal } from '../../plan/kernel-choice.js';
import { policiesRefusal } from '../../plan/render/script/policies.js';
import { renderScript } from '../../plan/render/script.js';
import { NO_STATES } from '../../plan/states.js';
import { namedPrograms } from '../../system/firewall.js';
import { addOptions, madeOfOptions } from '../options.js';

/** The command `print`: the plan as a script that stands alone. It asks nothing of the machine that it runs on. */
export const printCommand: CommandModule = {
  command: 'print',
  describe: 'Print a shell script that does what up does, for a router without wanmark',
  builder: (yargs, help?: boolean) =>
    addOptions(yargs, { ...WAN_OPTIONS, ...POLICY_OPTIONS, ...SERVICE_OPTIONS, ...RULE_OPTIONS }, help),
  handler: async (argv) => {
    const config = await madeOfOptions(argv, printable);
    process.stdout.write(renderScript(config, namedPrograms()));
  },
};

const NO_ACCEPT =
  'a printed script with nft knows no chains of others; leave --forward-accept out, or run wanmark up';

/** The configuration, if a script can say it. @throws UsageError */
function printable(raw: RawConfig): Config {
  const config = parseConfig(raw);
  if (config.marks.length > 0) throw new UsageError('high-mark is for rules of your own; print needs --wan');
  if (config.rules.engine === 'ahead')
    throw new UsageError(
      'a printed script has no daemon that writes choices; use --engine kernel, or run wanmark up',
    );
  if (config.rules.kernelHash !== undefined)
    throw new UsageError('a printed script cannot hash; use --kernel-mode random or nth, or run wanmark up');
  if (config.policies.sticky !== undefined)
    throw new UsageError('a printed script cannot be sticky; leave --sticky out, or run wanmark up');
  const refusal =
    choiceRefusal(config, NO_STATES) ??
    policiesRefusal(config) ??
    (config.rules.firewall === 'nft' && config.rules.forwardAccept ? NO_ACCEPT : undefined);
  if (refusal !== undefined) throw new UsageError(refusal);
  return config;
}
