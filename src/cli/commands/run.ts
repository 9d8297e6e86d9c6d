import type { Logger } from 'pino';
import type { CommandModule } from 'yargs';
import { type Config, parseConfig } from '../../config/config.js';
import { RUN_OPTIONS, SERVICE_OPTIONS, WAN_OPTIONS } from '../../config/options.js';
import type { Counts } from '../../core/counts.js';
import { type ConnectionSource, openBackendConnections, openConnections } from '../../daemon/connections.js';
import { CountedOnDemand } from '../../daemon/counted-on-demand.js';
import { Daemon, type DaemonParts } from '../../daemon/daemon.js';
import { UsageError } from '../../errors.js';
import { createLog, type Log } from '../../log.js';
import { checkIproute2, missingDevices, strayGateways } from '../../system/devices.js';
import { checkProgram } from '../../system/executable.js';
import { fedQueues } from '../../system/feed.js';
import { ServiceManager, takeServiceEnvironment } from '../../system/service-manager.js';
import { feedAdvice, feedCommand } from '../feed-advice.js';
import { addOptions, rawConfig } from '../options.js';
import { type CountingStrategy, loadCountingStrategy, loadServices } from '../services.js';

/** `run`: the daemon. Everything is checked before the queue is bound, so a mistake changes nothing. */
export const runCommand: CommandModule = {
  command: 'run',
  describe: 'Choose a mark for each new connection (the daemon)',
  builder: (yargs, help?: boolean) =>
    addOptions(yargs, { ...WAN_OPTIONS, ...SERVICE_OPTIONS, ...RUN_OPTIONS }, help),
  handler: async (argv) => {
    const config = parseConfig(await rawConfig(argv));
    if (config.engine === 'kernel') {
      throw new UsageError(
        'with engine kernel there is nothing for a daemon to decide; wanmark up --engine kernel is all that is needed',
      );
    }
    const now = () => performance.now();
    const { strategy, counts } = await loadCountingStrategy(config.strategy, now);
    const services = await loadServices(config.services, now);
    for (const file of config.hooks) checkProgram('--hook', file);
    // What a device is or has at the moment may change; the other WANs need the daemon all the same.
    if (!config.bare) checkIproute2();
    const doubts = config.bare
      ? []
      : [...missingDevices(config.wans, config.lan), ...(await strayGateways(config.wans))];
    const ended = endOfRun();
    const log = await createLog();
    try {
      const { logger, line } = log;
      for (const doubt of doubts) logger.warn(doubt);
      const serviceManager = new ServiceManager(takeServiceEnvironment(process.env), process.pid, (reason) =>
        logger.warn(`systemd cannot be told: ${reason}`),
      );
      const warn = (message: string) => logger.warn(message);
      const connections =
        config.wans.length > 0
          ? countConnections(() => openConnections(config, warn), [counts], logger)
          : undefined;
      const backendConnections = await countBackends(config, services, connections, logger);
      // A strategy that counts begins with what is there; the kernel chooses for that moment.
      if (counts.wanted) await connections?.fresh();
      if (services.some((service) => service.counts.wanted)) await backendConnections?.fresh();
      const parts = {
        config,
        strategy,
        logger,
        line,
        now,
        connections,
        services,
        backendConnections,
        onLost: ended.fail,
        serviceManager,
      };
      const daemon = await startOrClose(parts);
      try {
        await adviseFeed(config, log);
        await ended.wait;
      } finally {
        await daemon.stop();
        await Promise.all([connections?.close(), backendConnections?.close()]);
        if (log.dropped() > 0)
          logger.warn({ lines: log.dropped() }, 'log lines were dropped: the reader is too slow');
      }
    } finally {
      log.flush();
    }
  },
};

/** At once where a strategy needs the numbers, else when somebody asks. @throws ConntrackError when the system refuses what is needed */
function countConnections(
  open: () => ConnectionSource,
  counts: readonly Counts[],
  logger: Logger,
): ConnectionSource {
  if (counts.some((one) => one.wanted)) {
    const source = open();
    for (const one of counts) one.source = (mark) => source.count(mark) ?? 0;
    return source;
  }
  const source = new CountedOnDemand(open, (error) =>
    logger.warn(`connections are not counted: ${error.message}`),
  );
  for (const one of counts) {
    one.source = (mark) => {
      source.keep();
      return source.count(mark) ?? 0;
    };
  }
  return source;
}

/** Undefined also without services. A refusal must not leave the WANs' counter behind, whose thread goes on. */
async function countBackends(
  config: Config,
  services: readonly CountingStrategy[],
  connections: ConnectionSource | undefined,
  logger: Logger,
): Promise<ConnectionSource | undefined> {
  if (services.length === 0) return undefined;
  try {
    const counts = services.map((service) => service.counts);
    return countConnections(
      () => openBackendConnections(config, (message) => logger.warn(message)),
      counts,
      logger,
    );
  } catch (error) {
    await connections?.close();
    throw error;
  }
}

/** A queue that cannot be had must not leave the counters' threads behind, which keep the process alive. */
async function startOrClose(parts: DaemonParts): Promise<Daemon> {
  try {
    return await Daemon.start(parts);
  } catch (error) {
    await Promise.all([parts.connections?.close(), parts.backendConnections?.close()]);
    throw error;
  }
}

/** Settles with SIGTERM or SIGINT; fails when the queue is lost. A second signal ends the process at once. */
function endOfRun(): { wait: Promise<void>; fail: (error: Error) => void } {
  let fail: (error: Error) => void = () => undefined;
  const wait = new Promise<void>((resolve, reject) => {
    fail = reject;
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  // Between the queue's opening and our waiting for it, a failure must not count as unhandled.
  wait.catch(() => undefined);
  return { wait, fail };
}

/** Says so when the rules and the daemon do not have the same queues; with bare marks the rule is always of use. */
async function adviseFeed(config: Config, { logger }: Log): Promise<void> {
  const command = feedCommand(config);
  if (config.bare) logger.info(`this rule feeds the queue: ${command}`);
  const fed = await fedQueues();
  for (const line of fed === undefined ? [] : feedAdvice(config, fed)) {
    logger.warn({ command }, `${line}; run: ${command}`);
  }
}
