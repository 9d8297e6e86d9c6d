import type { Argv, CommandModule } from 'yargs';
import { type Config, parseConfig } from '../../config/config.js';
import { POLICY_OPTIONS } from '../../config/options/policies.js';
import { RULE_OPTIONS } from '../../config/options/rules.js';
import { DEFAULT_SOCKET, RUN_OPTIONS } from '../../config/options/run.js';
import { SERVICE_OPTIONS } from '../../config/options/services.js';
import { WAN_OPTIONS } from '../../config/options/wans.js';
import type { RawConfig } from '../../config/options.js';
import { askDaemon } from '../../control/daemon-client.js';
import type { Status } from '../../control/status.js';
import { wantsColours } from '../../core/colours.js';
import { printableJson } from '../../core/printable.js';
import { examineAll } from '../../doctor/examinations.js';
import { gather, type Patient } from '../../doctor/gather/gather.js';
import { SystemError, UsageError } from '../../errors.js';
import type { QueueRange } from '../../system/feed.js';
import { findHookUser } from '../../system/hook-user.js';
import {
  type Installed,
  installedConfig,
  installedNumbers,
  readInstalled,
  rulesAreUp,
  withInstalledFields,
} from '../../system/installed.js';
import { needNetAdmin } from '../../system/privilege.js';
import { programsAs, type RunProgram } from '../../system/programs.js';
import { doctorText } from '../doctor-text.js';
import { feedAdvice } from '../feed-advice.js';
import { markConflicts } from '../mark-conflicts.js';
import { addOptions, madeOfOptions } from '../options.js';
import { say } from '../say.js';

const RELEVANT = { ...WAN_OPTIONS, ...POLICY_OPTIONS, ...SERVICE_OPTIONS, ...RULE_OPTIONS, ...RUN_OPTIONS };
/** How long the daemon may take to answer; a blocked one is as good as none. */
const DAEMON_MS = 1000;
/** How long the process may live on for what answers too late. */
const GRACE_MS = 500;

/** The command `doctor`: looks at everything that the connections depend on. It changes nothing. */
export const doctorCommand: CommandModule = {
  command: 'doctor',
  describe: 'Look for what is wrong, and say what to do; exit code 1 if something is',
  builder: (yargs: Argv, help?: boolean) =>
    addOptions(yargs, RELEVANT, help).option('json', { type: 'boolean', describe: 'One JSON object' }),
  handler: async (argv) => {
    const patient = await admit(argv);
    needNetAdmin();
    const { config } = patient;
    const { facts, isLate } = await gather(patient, {
      conflicts: (run) => markConflicts(config, installedNumbers(), run),
      queues: (status, fed) => queueAdvice(config, status, fed),
      program: await scriptRunner(config),
    });
    const findings = examineAll(facts);
    const count = (level: string) => findings.filter((one) => one.level === level).length;
    const report = {
      daemon: patient.daemon?.pid ?? null,
      wrong: count('wrong'),
      warnings: count('warning'),
      findings,
    };
    if (argv.json) say(`${printableJson(JSON.stringify(report))}\n`);
    // What comes from elsewhere is made printable before the colours are put to it.
    else process.stdout.write(doctorText(findings, wantsColours(process.stdout.isTTY, process.env)));
    process.exitCode = report.wrong > 0 ? 1 : 0;
    if (isLate) setTimeout(() => process.exit(), GRACE_MS).unref();
  },
};

/** The configuration of the command line, or of the last `up`, and the daemon. @throws UsageError, SystemError */
async function admit(argv: Readonly<Record<string, unknown>>): Promise<Patient> {
  const installed = readInstalled();
  const { raw, config } = await madeOfOptions(argv, (raw) => ({ raw, config: givenConfig(raw, installed) }));
  const isGiven = config !== undefined;
  const known = config ?? (installed === undefined ? undefined : installedConfig(installed));
  if (known === undefined) {
    throw rulesAreUp()
      ? new SystemError('OTHER_VERSION', "the rules are another version's; run 'wanmark up' again")
      : new SystemError(
          'NOT_UP',
          "is not up; run 'wanmark up' first, or give the configuration (--config FILE)",
        );
  }
  const socket = typeof raw.socket === 'string' ? raw.socket : DEFAULT_SOCKET;
  const daemon = await statusOf(socket);
  // The strategy is nothing that the rules remember.
  const running =
    daemon === undefined || isGiven
      ? known
      : { ...known, strategy: { ...known.strategy, name: daemon.strategy } };
  return { config: running, isGiven, installed, daemon };
}

/** The configuration of the command line; undefined where it gives none. @throws UsageError */
function givenConfig(raw: RawConfig, installed: Installed | undefined): Config | undefined {
  // Options of the daemon alone are refused with the rest, since its WANs would be missing.
  if (Object.keys(raw).every((name) => name === 'socket')) return undefined;
  const config = parseConfig(withInstalledFields(raw), installed?.numbers);
  if (config.marks.length > 0) throw new UsageError('high-mark is for rules of your own; doctor needs --wan');
  return config;
}

/** The running daemon's status; undefined where none answers in time. */
async function statusOf(socket: string): Promise<Status | undefined> {
  try {
    return (await askDaemon<Status>(socket, '/status?connections=no', undefined, DAEMON_MS)).answer;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** Where the rules feed other queues than this daemon reads. */
function queueAdvice(
  { targets, services }: Config,
  { queues, serviceQueue }: Status,
  fed: readonly QueueRange[],
): readonly string[] {
  const num = queues[0]?.num ?? 0;
  const own = { num, count: queues.length, services: serviceQueue?.num ?? 0 };
  return feedAdvice(
    {
      targets: queues.length === 0 ? [] : targets,
      services: serviceQueue === null ? [] : services,
      queues: own,
    },
    fed,
  );
}

/** Runs scripts of checks as the daemon does; where that user cannot be become, none is run. */
async function scriptRunner({ hooks }: Config): Promise<RunProgram> {
  if (hooks.user === undefined) return programsAs(undefined);
  try {
    return programsAs(await findHookUser(hooks.user));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const why = error.message;
    return async () => ({ code: undefined, why, said: '' });
  }
}
