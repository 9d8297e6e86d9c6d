import type { CommandModule } from 'yargs';
import { parseConfig } from '../../config/config.js';
import { RULE_OPTIONS, SERVICE_OPTIONS, WAN_OPTIONS } from '../../config/options.js';
import { UsageError } from '../../errors.js';
import { checkIproute2, missingDevices, strayGateways } from '../../system/devices.js';
import { runScript, scriptEnvironment, type Verb } from '../../system/scripts.js';
import { addOptions, rawConfig } from '../options.js';

/** `up`, `down` and `print`: the bundled scripts with the environment that the flags make. */
function rulesCommand(verb: Verb, describe: string): CommandModule {
  return {
    command: verb,
    describe,
    builder: (yargs, help?: boolean) =>
      addOptions(yargs, { ...WAN_OPTIONS, ...SERVICE_OPTIONS, ...RULE_OPTIONS }, help),
    handler: async (argv) => {
      const config = parseConfig(await rawConfig(argv));
      if (config.marks.length > 0)
        throw new UsageError(`high-mark is for rules of your own; ${verb} needs --wan`);
      if (verb === 'up') {
        checkIproute2();
        const [stray] = await strayGateways(config.wans);
        if (stray !== undefined) throw new UsageError(stray);
        for (const line of missingDevices(config.wans, config.lan)) {
          process.stderr.write(`wanmark: warning: ${line}\n`);
        }
      }
      process.exitCode = await runScript(verb, scriptEnvironment(config));
    },
  };
}

export const upCommand = rulesCommand('up', 'Install rules and routes');
export const printCommand = rulesCommand('print', 'Show what up would run, as a shell script');

/** `down` needs no WANs: everything of ours carries our marks, so it can be found without a configuration. */
export const downCommand: CommandModule = {
  command: 'down',
  describe: 'Remove rules and routes',
  builder: (yargs, help?: boolean) =>
    addOptions(yargs, { ...WAN_OPTIONS, ...SERVICE_OPTIONS, ...RULE_OPTIONS }, help),
  handler: async (argv) => {
    const raw = await rawConfig(argv);
    const environment = raw.wan === undefined ? {} : scriptEnvironment(parseConfig(raw));
    process.exitCode = await runScript('down', environment);
  },
};
