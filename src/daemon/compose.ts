import type { Config } from '../config/config.js';
import { startsDown } from '../config/health.js';
import type { TargetLists } from '../config/targets.js';
import { markMember } from '../core/bare-mark.js';
import type { EventSink } from '../core/event.js';
import { backendMember } from '../core/service.js';
import { States } from '../core/states.js';
import type { Target } from '../core/target.js';
import { wanMember } from '../core/wan.js';
import type { Log } from '../log.js';
import { Journal, journalPath } from '../system/journal.js';
import type { RunProgram } from '../system/programs.js';
import { makeRunDirectory } from '../system/run-directory.js';
import { ServiceManager, takeServiceEnvironment } from '../system/service-manager.js';
import { type ConnectionSource, openBackendConnections, openConnections } from './connections.js';
import { areNeeded, countConnections } from './counting.js';
import { Daemon, type DaemonParts } from './daemon.js';
import { DeviceNames } from './device-names.js';
import { Isolation } from './isolation.js';
import { rulesFingerprint } from './rules-fingerprint.js';
import { RulesKeeper } from './rules-keeper.js';
import { Services } from './services.js';
import type { Strategies } from './strategies.js';
import { Wans } from './wans.js';

/** How long the counters may take to end. */
const MOST_CLOSING_MS = 3000;

export interface Composition {
  readonly config: Config;
  readonly strategies: Strategies;
  readonly log: Log;
  /** Runs hooks and scripts. */
  readonly run: RunProgram;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Called when a queue is lost. */
  readonly onLost: (error: Error) => void;
}

/** A daemon that runs. */
export interface Running {
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
  const { config, strategies, log, now } = composition;
  const { logger } = log;
  const serviceManager = new ServiceManager(takeServiceEnvironment(process.env), process.pid, (reason) =>
    logger.warn(`systemd cannot be told: ${reason}`),
  );
  const isolation = new Isolation(logger, now);
  isolation.run(makeRunDirectory, undefined);
  const events = new Journal(journalPath(), isolation.report);
  const counters: Counters = {};
  const close = () => Promise.all([counters.wans?.close(), counters.backends?.close()]);
  try {
    await openCounters(composition, counters);
    const daemon = await Daemon.start({
      config,
      strategyName: strategies.wans.strategy.name,
      logger,
      now,
      serviceManager,
      events,
      fresh: () => Promise.all([counters.wans?.fresh(), counters.backends?.fresh()]),
      ...openBalancers(composition, counters, events),
    });
    const stop = async () => {
      await daemon.stop();
      await isolation.settle(close, MOST_CLOSING_MS);
      events.flush();
    };
    return { stop };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The sources of live connections: for the WANs' or bare marks, and for the backends' marks. */
interface Counters {
  wans?: ConnectionSource;
  backends?: ConnectionSource;
}

/** @param counters filled one by one, so that the first can be closed when the second cannot be opened */
async function openCounters({ config, strategies, log }: Composition, counters: Counters): Promise<void> {
  const { services } = strategies;
  const wans = [strategies.wans, ...strategies.policies];
  const { logger } = log;
  const warn = (message: string) => logger.warn(message);
  if (config.targets.length > 0) {
    counters.wans = countConnections(() => openConnections(config, warn), wans, logger);
  }
  if (services.length > 0) {
    counters.backends = countConnections(() => openBackendConnections(config, warn), services, logger);
  }
  // A strategy that counts should start with true numbers; the kernel chooses until they are there.
  if (areNeeded(wans)) await counters.wans?.fresh();
  if (areNeeded(services)) await counters.backends?.fresh();
}

/** Opens the queues; packets are answered from here on. @throws QueueError, and then no queue is open */
function openBalancers(
  { config, strategies, log, run, now, onLost }: Composition,
  counters: Counters,
  events: EventSink,
): Pick<DaemonParts, 'states' | 'keeper' | 'services' | 'wans'> {
  const { logger, line } = log;
  const { slowStartMs, checks } = config.health;
  const states = new States(targetsOf(config), { now, slowStartMs, down: startsDown(config.wans, checks) });
  const markLog = config.log.mark
    ? { logger, line, devices: new DeviceNames(), packet: config.log.packet }
    : undefined;
  const common = { config, logger, now, states, events, onLost, markLog };
  let wans: Wans | undefined;
  // With bare marks the rules belong to the user.
  const keeper =
    config.marks.length > 0
      ? undefined
      : makeKeeper({ config, log, now }, events, (...unusable) => wans?.unusable(...unusable));
  const services =
    config.services.length > 0
      ? new Services({ ...common, services: strategies.services, connections: counters.backends, keeper })
      : undefined;
  try {
    if (config.targets.length > 0) {
      const { strategy } = strategies.wans;
      const policies = strategies.policies.map((one) => one.strategy);
      wans = new Wans({ ...common, strategy, policies, run, connections: counters.wans, keeper });
    }
  } catch (error) {
    services?.balancer.closeNow();
    throw error;
  }
  return { states, keeper, services, wans };
}

/** Everything that connections can be given to. */
function targetsOf({ wans, marks, services }: TargetLists): Target[] {
  const backends = services.flatMap((service) => service.backends.map((one) => backendMember(service, one)));
  return [...wans.map(wanMember), ...marks.map(markMember), ...backends].map(({ target }) => target);
}

function makeKeeper(
  { config, log, now }: Pick<Composition, 'config' | 'log' | 'now'>,
  events: EventSink,
  onUnusable: Wans['unusable'],
): RulesKeeper {
  const devices = [...new Set(config.wans.map((wan) => wan.dev))];
  const listened = config.services.flatMap(({ device }) => device ?? []);
  return new RulesKeeper({
    logger: log.logger,
    events,
    now,
    devices: [...devices, ...listened],
    tables: config.wans.map(({ mark }) => config.rules.table + mark),
    repair: config.repair,
    fingerprint: () => rulesFingerprint(devices, config.rules.forwardAccept, config.policies.sets),
    onUnusable,
  });
}
