import type { Argv, CommandModule } from 'yargs';
import { type Config, parseConfig } from '../../config/config.js';
import { OTHER_RULES } from '../../config/difference.js';
import { ruleFlags } from '../../config/flags.js';
import type { Numbers } from '../../config/numbers.js';
import { POLICY_OPTIONS } from '../../config/options/policies.js';
import { RULE_OPTIONS } from '../../config/options/rules.js';
import { SERVICE_OPTIONS } from '../../config/options/services.js';
import { WAN_OPTIONS } from '../../config/options/wans.js';
import { type RawConfig, ruleOptions } from '../../config/options.js';
import { unusedSettings } from '../../config/unused.js';
import { FAMILIES } from '../../core/family.js';
import { printableLines } from '../../core/printable.js';
import { UsageError } from '../../errors.js';
import { rejectOutdatedAddon } from '../../native.js';
import { choiceRefusal } from '../../plan/kernel-choice.js';
import { routedNetworks } from '../../plan/named-networks.js';
import { shadowedRules } from '../../plan/shadowed.js';
import { initialStates, NO_STATES } from '../../plan/states.js';
import { prepareRules } from '../../system/bring-up.js';
import { missingDevices } from '../../system/devices.js';
import { downRules } from '../../system/down.js';
import { readFacts } from '../../system/facts.js';
import { checkRules, type Listener, refreshRules, upRules } from '../../system/install.js';
import {
  installedConfig,
  installedNumbers,
  readInstalled,
  rulesAreUp,
  withInstalledFields,
} from '../../system/installed.js';
import { readLinks } from '../../system/links.js';
import { forgetBegunBefore } from '../begun-before.js';
import { markConflicts } from '../mark-conflicts.js';
import { addOptions, doneByOptions, madeOfOptions } from '../options.js';
import { complain, say } from '../say.js';
import { upSummary } from '../up-summary.js';

const RELEVANT = { ...WAN_OPTIONS, ...POLICY_OPTIONS, ...SERVICE_OPTIONS, ...RULE_OPTIONS };

const withOptions = (yargs: Argv, help?: boolean) => addOptions(yargs, RELEVANT, help);

/** The options of a command that changes the rules. */
const withVerbose = (yargs: Argv, help?: boolean) =>
  withOptions(yargs, help).option('verbose', { type: 'boolean', describe: 'Show each command as it is run' });

/** Writes what is said to standard error. */
const TO_STDERR: Listener = {
  said: complain,
  missing: (line) => complain(`missing: ${line}`),
};

/** The same, and with `--verbose` each command as it is run. */
function listener({ verbose }: Readonly<Record<string, unknown>>): Listener {
  if (verbose !== true) return TO_STDERR;
  return {
    ...TO_STDERR,
    changed: (command) => process.stderr.write(printableLines(command.replaceAll(/^/gm, '# ').concat('\n'))),
  };
}

/** The configuration of the command line, for a command that needs WANs or services. @throws UsageError */
function rulesConfig(raw: RawConfig, verb: string, numbers: Numbers): Config {
  const config = parseConfig(raw, numbers);
  if (config.marks.length > 0)
    throw new UsageError(`high-mark is for rules of your own; ${verb} needs --wan`);
  // Before any warning is written.
  const refusal = choiceRefusal(config, NO_STATES);
  if (refusal !== undefined) throw new UsageError(refusal);
  return config;
}

/** The command `up`. It checks all that can be checked before anything is changed. */
export const upCommand: CommandModule = {
  command: 'up',
  describe: 'Install rules and routes',
  builder: withVerbose,
  handler: async (argv) => {
    rejectOutdatedAddon();
    const numbers = installedNumbers();
    const check = (given: RawConfig) => {
      const raw = withInstalledFields(given);
      return { raw, config: rulesConfig(raw, 'up', numbers) };
    };
    const { raw, config } = await madeOfOptions(argv, check);
    const routed = () => FAMILIES.flatMap((family) => routedNetworks(readFacts(config).main[family]));
    for (const line of [...unusedSettings(config), ...shadowedRules(config.policies.rules, routed)])
      complain(`warning: ${line}`);
    for (const line of missingDevices(config.wans, config.rules.lan)) complain(`warning: ${line}`);
    const before = rulesAreUp();
    const [outcome, conflicts] = await doneByOptions(argv, check, async () => {
      const firewall = await prepareRules(config, (line) => complain(`warning: ${line}`));
      // Side by side, since the look at others takes as long as the rest; what is ours it leaves out.
      return Promise.all([
        upRules({ raw, config, firewall, states: initialStates(config.wans) }, listener(argv)),
        markConflicts(config, installedNumbers()),
      ]);
    });
    for (const line of conflicts) complain(`warning: ${line}`);
    if (outcome.code === 0 && outcome.changes.length === 0) complain('already up; nothing to change');
    const isFirst = outcome.code === 0 && !before;
    const failure = isFirst && config.wans.length > 0 ? await forgetBegunBefore(config) : undefined;
    if (failure !== undefined) complain(`warning: ${failure}`);
    if (isFirst) say(upSummary(config, readLinks(), readInstalled()?.unusable ?? new Set()));
    process.exitCode = outcome.code;
  },
};

/** The command `down`. It needs no configuration, since everything of ours carries our marks. */
export const downCommand: CommandModule = {
  command: 'down',
  describe: 'Remove rules and routes',
  builder: withVerbose,
  handler: async (argv) => {
    await madeOfOptions(argv, (raw) => (raw.wan === undefined ? undefined : parseConfig(raw)));
    process.exitCode = await downRules(listener(argv));
  },
};

/** The command `refresh`, for the hooks of a DHCP client or pppd where no daemon runs. */
export const refreshCommand: CommandModule = {
  command: 'refresh',
  describe: 'Bring what up installed in line with routes, addresses and neighbours of now',
  builder: withVerbose,
  handler: async (argv) => {
    rejectOutdatedAddon();
    await warnOfOtherConfiguration(argv);
    process.exitCode = (await refreshRules({}, listener(argv))).code;
  },
};

/** The command `check`, which changes nothing. */
export const checkCommand: CommandModule = {
  command: 'check',
  describe: 'Say what is missing of what up installed; exit code 1 if something is',
  builder: withOptions,
  handler: async (argv) => {
    const differs = await warnOfOtherConfiguration(argv);
    const installed = readInstalled();
    const [{ code }, conflicts] = await Promise.all([
      checkRules(TO_STDERR),
      installed === undefined ? [] : markConflicts(installedConfig(installed), installed.numbers),
    ]);
    for (const line of conflicts) complain(`warning: ${line}`);
    process.exitCode = differs ? 1 : code;
  },
};

/**
 * The rules stay those of the last `up`, whatever flags are given; where these say something else, a person should know.
 * @returns whether they do
 * @throws UsageError for flags that are wrong
 */
async function warnOfOtherConfiguration(argv: Readonly<Record<string, unknown>>): Promise<boolean> {
  const installed = readInstalled();
  const config = await madeOfOptions(argv, (raw) =>
    Object.keys(ruleOptions(raw)).length === 0
      ? undefined
      : parseConfig(withInstalledFields(raw), installed?.numbers),
  );
  if (config === undefined) return false;
  for (const line of unusedSettings(config)) complain(`warning: ${line}`);
  if (installed === undefined || ruleFlags(config) === ruleFlags(installedConfig(installed))) return false;
  complain(`${OTHER_RULES}; wanmark up with this one goes over to it`);
  return true;
}
