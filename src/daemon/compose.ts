import type { Config } from '../config/config.js';
import { startsDown } from '../config/health.js';
import type { TargetLists } from '../config/targets.js';
import { markMember } from '../core/bare-mark.js';
import type { EventSink } from '../core/event.js';
import { backendMember } from '../core/service.js';
import { States } from '../core/states.js';
import type { NamedStrategy } from '../core/strategy.js';
import { type Target, targetId } from '../core/target.js';
import { wanMember } from '../core/wan.js';
import type { Log } from '../log.js';
import { Journal, journalPath } from '../system/journal.js';
import { bootClockAhead, readMemory } from '../system/memory-file.js';
import type { RunProgram } from '../system/programs.js';
import { makeRunDirectory } from '../system/run-directory.js';
import { ServiceManager, takeServiceEnvironment } from '../system/service-manager.js';
import { setFilesVersion } from '../system/set-files.js';
import { statePath } from '../system/state-file.js';
import type { ChosenBy } from './ahead/chosen-by.js';
import { changeRules } from './change-rules.js';
import { BACKEND_COUNTS, Counters, WAN_COUNTS } from './counters.js';
import { areNeeded } from './counting.js';
import { Daemon, type DaemonParts } from './daemon.js';
import { DeviceNames } from './device-names.js';
import { Isolation } from './isolation.js';
import type { MarkLogOptions } from './mark-log.js';
import { recalled, remembered } from './memory.js';
import { MemoryKeeper } from './memory-keeper.js';
import { Months } from './months.js';
import { otherRules, rulesDifference } from './other-rules.js';
import { type Prepared, type ReloadListener, Reloads } from './reload.js';
import { rulesFingerprint } from './rules-fingerprint.js';
import { type Kept, RulesKeeper } from './rules-keeper.js';
import { Services, type ServicesPlan } from './services.js';
import { Wans, type WansPlan } from './wans.js';

/** How long the counters may take to end. */
const MOST_CLOSING_MS = 3000;
/** How long the start waits for the first choices to be in the rules; the kernel chooses meanwhile. */
const MOST_READY_MS = 1000;
/** How long the end waits for a reload that is under way: the executor may wait for another one's lock. */
const MOST_RELOADING_MS = 3000;

export interface Composition extends Prepared {
  /** Reads the configuration again, see {@link Reloads}. @param former the strategies in force */
  readonly read: (former: InForce) => Promise<Prepared>;
  readonly log: Log;
  /** Runs hooks and scripts. */
  readonly run: RunProgram;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Called when a queue is lost. */
  readonly onLost: (error: Error) => void;
  readonly onReload?: ReloadListener;
}

/** The configuration that the daemon goes by, and its strategies. */
export type InForce = Pick<Prepared, 'raw' | 'config' | 'strategies'>;

/** A daemon that runs. */
export interface Running {
  /** Does what {@link Reloads.reload} says. */
  reload(): Promise<unknown>;
  /** Ends it and everything that was opened for it. */
  stop(): Promise<void>;
}

/**
 * Makes a daemon of all its parts and starts it: counters first, then queues. When a part cannot be opened, those
 * before it are closed again; otherwise their threads would keep the process alive.
 *
 * @throws ConntrackError, QueueError
 */
export async function startDaemon(composition: Composition): Promise<Running> {
  const { log, now, read, onReload } = composition;
  const { logger } = log;
  const serviceManager = new ServiceManager(takeServiceEnvironment(process.env), process.pid, (reason) =>
    logger.warn(`systemd cannot be told: ${reason}`),
  );
  const isolation = new Isolation(logger, now);
  isolation.run(makeRunDirectory, undefined);
  const events = new Journal(journalPath(), isolation.report);
  const counters: AllCounters = {};
  const close = () => Promise.all([counters.wans?.close(), counters.backends?.close()]);
  let current: InForce = composition;
  try {
    await openCounters(composition, counters);
    const months = new Months({ path: statePath(composition.config.socket, 'month'), logger, now });
    const balancers = openBalancers(composition, counters, events, months);
    await isolation.settle(() => balancers.wans?.balancer.ready(), MOST_READY_MS);
    const reloads = new Reloads({
      logger,
      read: () => read(current),
      current: () => current.config,
      rulesDifference: ({ raw, firewall }) => (firewall === undefined ? [] : rulesDifference(raw)),
      goOver: async (next) => {
        // Until both are there, the rules are bound to be of another configuration.
        balancers.keeper?.goOver(keptRules(current.config));
        try {
          await goOver(current, next, { ...balancers, counters, log });
          current = next;
        } finally {
          balancers.keeper?.goOver({ ...keptRules(current.config), other: otherRules(current.raw) });
        }
      },
      onReload: (reload) => {
        events.note({ kind: 'reload', changes: reload.lines, error: reload.error ?? null });
        onReload?.(reload);
      },
    });
    const daemon = await Daemon.start({
      get config() {
        return current.config;
      },
      get strategyName() {
        return current.strategies.wans.strategy.name;
      },
      logger,
      now,
      serviceManager,
      events,
      fresh: () => Promise.all([counters.wans?.fresh(), counters.backends?.fresh()]),
      reload: (dry) => reloads.reload(dry),
      ...balancers,
    });
    events.begin();
    const memory = new MemoryKeeper({
      path: memoryPath(composition.config),
      version: () => balancers.states.version,
      collect: () => remembered({ ...balancers, config: current.config }, bootClockAhead()),
      logger,
    });
    const stop = async () => {
      // While the parts still know what they know.
      await isolation.settle(() => memory.stop(), MOST_CLOSING_MS);
      await isolation.settle(() => reloads.stop(), MOST_RELOADING_MS);
      await daemon.stop();
      await isolation.settle(() => months.stop(), MOST_CLOSING_MS);
      await isolation.settle(close, MOST_CLOSING_MS);
      events.flush();
    };
    return { reload: () => reloads.reload(false), stop };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The sources of live connections: for the WANs' or bare marks, and for the backends' marks. */
interface AllCounters {
  wans?: Counters;
  backends?: Counters;
}

/** @param counters filled one by one, so that the first can be closed when the second cannot be opened */
async function openCounters(
  { config, strategies, log: { logger } }: Composition,
  counters: AllCounters,
): Promise<void> {
  const counted = { config, strategies };
  if (config.targets.length > 0) counters.wans = new Counters(WAN_COUNTS, counted, logger);
  if (config.services.length > 0) counters.backends = new Counters(BACKEND_COUNTS, counted, logger);
  // A strategy that counts should start with true numbers; the kernel chooses until they are there.
  if (areNeeded([strategies.wans, ...strategies.policies])) await counters.wans?.fresh();
  if (areNeeded(strategies.services)) await counters.backends?.fresh();
}

/** Opens the queues; packets are answered from here on. @throws QueueError, and then no queue is open */
function openBalancers(
  composition: Composition,
  counters: AllCounters,
  events: EventSink,
  months: Months,
): Balancers {
  const { config, log, run, now, onLost } = composition;
  const { logger } = log;
  const states = new States(targetsOf(config), { now, ...startingStates(config) });
  const memory = recalled(readMemory(memoryPath(config)), config, bootClockAhead());
  const common = { logger, now, states, events, onLost, memory };
  let wans: Wans | undefined;
  // With bare marks the rules belong to the user.
  const keeper =
    config.marks.length > 0
      ? undefined
      : new RulesKeeper({
          ...keptRules(config),
          other: otherRules(composition.raw),
          logger,
          events,
          now,
          onUnusable: (...unusable) => wans?.unusable(...unusable),
        });
  const services =
    config.services.length > 0
      ? new Services({ ...common, ...servicesPlan(composition, log), connections: counters.backends, keeper })
      : undefined;
  try {
    if (config.targets.length > 0) {
      wans = new Wans({
        ...common,
        ...wansPlan(composition, log),
        run,
        connections: counters.wans,
        keeper,
        months,
      });
    }
  } catch (error) {
    services?.balancer.closeNow();
    throw error;
  }
  return { states, keeper, services, wans };
}

/** The parts that choose, and what they share. */
type Balancers = Pick<DaemonParts, 'states' | 'keeper' | 'services' | 'wans'>;

/**
 * Goes over from one configuration to another. All that can fail comes first, the rules as the last of it. Then decisions
 * change over between two packets. WANs that are to go get nothing new from before their routes go, and those that come
 * have their routes before they get anything.
 * @throws ConntrackError, UsageError, SystemError, and then all is as it was
 */
async function goOver(
  from: InForce,
  next: Prepared,
  { states, keeper, services, wans, counters, log }: Balancers & { counters: AllCounters; log: Log },
): Promise<void> {
  const counts: { take(): void; drop(): void }[] = [];
  const ids = (targets: readonly Target[]) =>
    targets.flatMap(({ name, families }) => families.map((family) => targetId(name, family)));
  const targets = targetsOf(next.config);
  const stays = new Set(ids(targets));
  const withheld = states.withhold(ids(targetsOf(from.config)).filter((id) => !stays.has(id)));
  try {
    for (const one of [counters.wans, counters.backends]) if (one) counts.push(await one.prepare(next));
    if (keeper !== undefined) await changeRules(next, states);
  } catch (error) {
    for (const id of withheld) states.admit(id);
    for (const one of counts) one.drop();
    throw error;
  }
  for (const one of counts) one.take();
  dropVainWeights(next.config, states, log);
  states.retarget(targets, startingStates(next.config));
  services?.follow(servicesPlan(next, log));
  wans?.follow(wansPlan(next, log));
  await keeper?.setStates(states);
}
/** Everything that connections can be given to. */
function targetsOf({ wans, marks, services }: TargetLists): Target[] {
  const backends = services.flatMap((service) => service.backends.map((one) => backendMember(service, one)));
  return [...wans.map(wanMember), ...marks.map(markMember), ...backends].map(({ target }) => target);
}

/** Beside the socket, since no two daemons share one. */
function memoryPath({ socket }: Config): string {
  return `${socket}.memory`;
}

/** What is set by hand holds on, unless it would leave nobody who takes new connections. */
function dropVainWeights(config: Config, states: States, { logger }: Log): void {
  for (const { name, weight } of config.wans)
    if (states.weights.get(name) === weight) states.setWeight(name, undefined);
  const takes = config.wans.some(({ name, weight }) => states.weight(name, weight) > 0);
  if (takes || config.wans.length === 0) return;
  logger.warn(
    'every WAN would have weight 0 by what was set by hand, so the weights of the configuration hold',
  );
  for (const { name } of config.wans) states.setWeight(name, undefined);
}

function startingStates({ wans, health }: Config) {
  return { slowStartMs: health.slowStartMs, down: startsDown(wans, health.checks) };
}

function wansPlan({ config, strategies }: InForce, log: Log): WansPlan {
  const policies = strategies.policies.map((one) => one.strategy);
  return {
    config,
    strategy: strategies.wans.strategy,
    policies,
    chosenBy: (strategy) => chosenBy({ config, strategies }, strategy),
    markLog: markLogOf(config, log),
  };
}

/** What a strategy of the WANs chooses by; undefined where it needs no counts. */
function chosenBy(
  { config, strategies: { wans, policies } }: Pick<InForce, 'config' | 'strategies'>,
  strategy: NamedStrategy,
): ChosenBy | undefined {
  const found = [wans, ...policies].find((one) => one.strategy === strategy);
  if (found === undefined || !areNeeded([found])) return undefined;
  // A file says what counts, whatever is decided.
  return { counts: config.strategy.countsFile === undefined ? found.counts : undefined };
}

function servicesPlan({ config, strategies }: InForce, log: Log): ServicesPlan {
  return { config, services: strategies.services, markLog: markLogOf(config, log) };
}

function markLogOf(
  { log: { mark, packet } }: Config,
  { logger, line, dated }: Log,
): MarkLogOptions | undefined {
  return mark ? { logger, line, dated, devices: new DeviceNames(), packet } : undefined;
}

function keptRules(config: Config): Kept {
  const devices = [...new Set(config.wans.map((wan) => wan.dev))];
  const listened = config.services.flatMap(({ device }) => device ?? []);
  return {
    devices: [...devices, ...listened],
    tables: config.wans.map(({ mark }) => config.rules.table + mark),
    repair: config.repair,
    fingerprint: () => rulesFingerprint(devices, config.rules.forwardAccept, config.policies.sets),
    files: () => setFilesVersion(config.policies.sets),
  };
}
