import type { CommandModule } from 'yargs';
import { type Config, parseConfig } from '../../config/config.js';
import { rejectFixedChanges } from '../../config/difference.js';
import { rejectUncheckedStart } from '../../config/health.js';
import { NO_NUMBERS, type Numbers } from '../../config/numbers.js';
import { POLICY_OPTIONS } from '../../config/options/policies.js';
import { RUN_OPTIONS } from '../../config/options/run.js';
import { SERVICE_OPTIONS } from '../../config/options/services.js';
import { WAN_OPTIONS } from '../../config/options/wans.js';
import type { RawConfig } from '../../config/options.js';
import { numbersOf } from '../../config/own-numbers.js';
import { readSwitch } from '../../config/raw.js';
import { unusedSettings } from '../../config/unused.js';
import { choosesAhead } from '../../core/ring.js';
import { type InForce, startDaemon } from '../../daemon/compose.js';
import { Isolation } from '../../daemon/isolation.js';
import { otherRules } from '../../daemon/other-rules.js';
import type { Prepared } from '../../daemon/reload.js';
import { loadStrategies, type Strategies } from '../../daemon/strategies.js';
import { SystemError, UsageError } from '../../errors.js';
import { createLog, type Log } from '../../log.js';
import { rejectOutdatedAddon } from '../../native.js';
import { fittingStates } from '../../plan/kernel-choice.js';
import { initialStates } from '../../plan/states.js';
import { prepareRules } from '../../system/bring-up.js';
import { checkIproute2, missingDevices, strayGateways } from '../../system/devices.js';
import { checkProgram } from '../../system/executable.js';
import { fedQueues } from '../../system/feed.js';
import { findHookUser, type HookUser } from '../../system/hook-user.js';
import { installedNumbers, readInstalled, rulesAreUp, withInstalledFields } from '../../system/installed.js';
import { programsAs } from '../../system/programs.js';
import { feedAdvice, feedCommand } from '../feed-advice.js';
import { addOptions, doneByOptions, located, madeOfOptions } from '../options.js';

/** How long the daemon waits for programs that tell it about others' rules before it waits for its end. */
const MOST_ADVISING_MS = 60_000;
/** How long the process may live on after its end. */
const GRACE_MS = 2000;

/** The command `run`: the daemon. Everything is checked before the queue is bound, so a mistake changes nothing. */
export const runCommand: CommandModule = {
  command: 'run',
  describe: 'Choose a mark for each new connection (the daemon)',
  builder: (yargs, help?: boolean) =>
    addOptions(yargs, { ...WAN_OPTIONS, ...POLICY_OPTIONS, ...SERVICE_OPTIONS, ...RUN_OPTIONS }, help),
  handler: async (argv) => {
    rejectOutdatedAddon();
    // From here on a hangup does not end us; one that comes before we run is made up for.
    const hangup: Hangup = { came: false };
    const hear = () => {
      hangup.came = true;
      hangup.reload?.();
    };
    process.on('SIGHUP', hear);
    try {
      await live(argv, hangup);
    } finally {
      process.off('SIGHUP', hear);
    }
  },
};

/** What is known of SIGHUP: whether one came, and what it does once there is a daemon. */
interface Hangup {
  came: boolean;
  reload?: (() => void) | undefined;
}

/**
 * Runs the daemon to its end.
 * @throws UsageError, SystemError before anything is changed
 */
async function live(argv: Readonly<Record<string, unknown>>, hangup: Hangup): Promise<void> {
  const now = () => performance.now();
  const prepared = await prepare(argv, now);
  const { config } = prepared;
  const user = config.hooks.user === undefined ? undefined : await findHookUser(config.hooks.user);
  const doubts = [...prepared.doubts, ...(await findDoubts(config))];
  const ended = endOfRun();
  const log = createLog();
  const isolation = new Isolation(log.logger, now);
  isolation.catchAll();
  try {
    for (const doubt of doubts) log.logger.warn(doubt);
    await bringUp(prepared, log).catch(async (error) => {
      throw await prepared.located(error);
    });
    const daemon = await startDaemon({
      ...prepared,
      read: (inForce) => prepare(argv, now, inForce),
      log,
      run: programsAs(user),
      now,
      onLost: ended.fail,
    });
    // What is wrong is in the log by then.
    hangup.reload = () => void daemon.reload().catch(() => undefined);
    if (hangup.came) hangup.reload();
    try {
      await isolation.settle(() => adviseFeed(prepared, log), MOST_ADVISING_MS);
      await isolation.settle(() => adviseMarks(config, log), MOST_ADVISING_MS);
      await ended.wait;
    } finally {
      hangup.reload = undefined;
      await daemon.stop();
      if (log.dropped() > 0) log.logger.warn({ lines: log.dropped() }, 'log lines were dropped in all');
    }
  } finally {
    await log.end();
    // For what is still open after all have ended: a hung name server, say, or a user's strategy with a timer.
    setTimeout(() => process.exit(), GRACE_MS).unref();
  }
}

/**
 * Reads the configuration and checks all of it; changes nothing.
 * @param inForce what the daemon goes by already
 * @throws UsageError, SystemError
 */
async function prepare(
  argv: Readonly<Record<string, unknown>>,
  now: () => number,
  inForce?: InForce,
): Promise<Prepared> {
  // A WAN keeps the number that the rules know it by, whatever its place in the list is now, and the rules their bits.
  const numbers = readInstalled()?.numbers ?? (inForce ? numbersOf(inForce.config) : NO_NUMBERS);
  const check = (given: RawConfig) => {
    const raw = withInstalledFields(given);
    return { raw, config: daemonConfig(raw, numbers) };
  };
  const { raw, config } = await madeOfOptions(argv, check);
  if (inForce !== undefined) {
    const reject = (next: Config) => rejectFixedChanges(inForce.config, next);
    // Apart from other mistakes, since a file with one of these may differ in much.
    await doneByOptions(
      argv,
      (given) => reject(check(given).config),
      async () => reject(config),
    );
  }
  return doneByOptions(argv, check, async () => {
    const strategies = await loadStrategies(config, now, inForce?.strategies.loaded);
    if (config.rules.engine === 'ahead') rejectAsked(strategies);
    checkPrograms(
      config,
      config.hooks.user === undefined ? undefined : await findHookUser(config.hooks.user),
    );
    const doubts = unusedSettings(config);
    const isOurs =
      config.marks.length === 0 && (inForce === undefined ? readSwitch(raw, 'up') : rulesAreUp());
    const firewall = isOurs ? await prepareRules(config, (line) => doubts.push(line)) : undefined;
    const placed = (error: unknown) => located(argv, error, check);
    return { raw, config, strategies, firewall, doubts, located: placed };
  });
}

/** The configuration, if a daemon can go by it. @throws UsageError */
function daemonConfig(raw: RawConfig, numbers: Numbers): Config {
  const config = parseConfig(raw, numbers);
  if (config.rules.engine === 'kernel') {
    throw new UsageError(
      'with engine kernel there is nothing for a daemon to decide; wanmark up --engine kernel is all that is needed',
    );
  }
  rejectUncheckedStart(config);
  if (readSwitch(raw, 'up') && config.marks.length > 0)
    throw new UsageError('high-mark is for rules of your own; leave up out');
  return config;
}

/**
 * Brings the rules up, or over to this configuration, where that is asked for. Who is down according to rules that are up
 * stays so until the daemon knows better.
 * @throws UsageError, SystemError where there are no rules then
 */
async function bringUp({ raw, config, firewall }: Prepared, { logger }: Log): Promise<void> {
  if (firewall === undefined) return;
  const { upRules } = await import('../../system/install.js');
  const before = rulesAreUp() ? readInstalled() : undefined;
  const states = before === undefined ? initialStates(config.wans) : fittingStates(config, before.states);
  const { code, said, changes } = await upRules({ raw, config, firewall, states });
  const isFirst = code === 0 && before === undefined && config.wans.length > 0;
  const failure = isFirst ? await (await import('../begun-before.js')).forgetBegunBefore(config) : undefined;
  if (failure !== undefined) logger.warn(failure);
  if (code === 0) {
    logger.info({ said, commands: changes.length }, 'the rules are up');
    return;
  }
  const why = `the rules could not be brought up: ${said.at(-1) ?? `exit code ${code}`}`;
  // Rules without a daemon would send connections to a WAN that dies; they are kept as they are, and tried again.
  if (!rulesAreUp()) throw new SystemError('NOT_UP', why);
  logger.error({ said }, why);
}

/** @throws UsageError for a strategy that can only be asked about a packet */
function rejectAsked({ wans, policies }: Strategies): void {
  const asked = [wans, ...policies].find(({ strategy }) => !choosesAhead(strategy.strategy));
  if (asked === undefined) return;
  throw new UsageError(
    `strategy ${asked.strategy.name} has only pick, and with engine ahead there is no packet to ask it about; give it a sequence or a table, or use --engine nfqueue`,
  );
}

/** Looks at the programs that will be run. @throws UsageError for one that is not as it should be */
function checkPrograms({ hooks, health }: Config, user: HookUser | undefined): void {
  const owners = user === undefined ? [] : [user.uid];
  for (const file of hooks.files) checkProgram('--hook', file, owners);
  for (const { wan, kind, targets } of health.checks) {
    if (kind !== 'script') continue;
    for (const file of new Set([...targets[4], ...targets[6]])) {
      checkProgram(`check of "${wan}": script`, file, owners);
    }
  }
}

/**
 * What may be wrong with the devices. These are doubts and not errors, since devices may come later and the other WANs
 * need the daemon meanwhile.
 * @throws SystemError where the programs for routes are missing
 */
async function findDoubts({ wans, marks, rules }: Config): Promise<readonly string[]> {
  if (marks.length > 0) return [];
  checkIproute2();
  return [...missingDevices(wans, rules.lan), ...(await strayGateways(wans))];
}

/** Settles on SIGTERM or SIGINT; fails when the queue is lost. A second signal ends the process at once. */
function endOfRun(): { wait: Promise<void>; fail: (error: Error) => void } {
  let fail: (error: Error) => void = () => undefined;
  const wait = new Promise<void>((resolve, reject) => {
    fail = reject;
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  // A failure before anybody waits for it must not count as unhandled.
  wait.catch(() => undefined);
  return { wait, fail };
}

/** Logs who else uses our bits of the mark; with bare marks the user's own rules do. */
async function adviseMarks(config: Config, { logger }: Log): Promise<void> {
  if (config.marks.length > 0) return;
  const { markConflicts } = await import('../mark-conflicts.js');
  for (const line of await markConflicts(config, installedNumbers())) logger.warn(line);
}

/**
 * Logs when the rules and the daemon do not have the same queues, unless the rules are known to be of another configuration,
 * which is said elsewhere. With bare marks it always shows the rule to use.
 */
async function adviseFeed({ raw, config }: Prepared, { logger }: Log): Promise<void> {
  // Nothing feeds what is not there.
  if (config.rules.engine === 'ahead') return;
  if (config.marks.length === 0 && otherRules(raw)() !== undefined) return;
  const command = feedCommand(config);
  if (config.marks.length > 0) logger.info(`this rule feeds the queue: ${command}`);
  const fed = await fedQueues();
  for (const line of fed === undefined ? [] : feedAdvice(config, fed)) {
    logger.warn({ command }, `${line}; run: ${command}`);
  }
}
