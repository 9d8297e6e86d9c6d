import type { Config } from '../config/config.js';
import type { Log } from '../log.js';
import { ServiceManager, takeServiceEnvironment } from '../system/service-manager.js';
import { type ConnectionSource, openBackendConnections, openConnections } from './connections.js';
import { areNeeded, countConnections } from './counting.js';
import { Daemon } from './daemon.js';
import type { Strategies } from './strategies.js';

export interface Composition {
  readonly config: Config;
  readonly strategies: Strategies;
  readonly log: Log;
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
 * Makes a daemon of all its parts and starts it: counters first, then queues. What was opened is closed again when
 * something cannot be had; otherwise threads would keep the process alive.
 *
 * @throws ConntrackError, QueueError
 */
export async function startDaemon({ config, strategies, log, now, onLost }: Composition): Promise<Running> {
  const { logger, line } = log;
  const { wans, services } = strategies;
  const warn = (message: string) => logger.warn(message);
  const serviceManager = new ServiceManager(takeServiceEnvironment(process.env), process.pid, (reason) =>
    logger.warn(`systemd cannot be told: ${reason}`),
  );
  const opened: ConnectionSource[] = [];
  const close = () => Promise.all(opened.map((source) => source.close()));
  try {
    const connections =
      config.targets.length > 0
        ? countConnections(() => openConnections(config, warn), [wans], logger)
        : undefined;
    if (connections !== undefined) opened.push(connections);
    const backendConnections =
      services.length > 0
        ? countConnections(() => openBackendConnections(config, warn), services, logger)
        : undefined;
    if (backendConnections !== undefined) opened.push(backendConnections);
    // A strategy that counts begins with what is there; the kernel chooses for that moment.
    if (areNeeded([wans])) await connections?.fresh();
    if (areNeeded(services)) await backendConnections?.fresh();
    const daemon = await Daemon.start({
      config,
      strategy: wans.strategy,
      services,
      logger,
      line,
      now,
      connections,
      backendConnections,
      onLost,
      serviceManager,
    });
    const stop = async () => {
      await daemon.stop();
      await close();
    };
    return { stop };
  } catch (error) {
    await close();
    throw error;
  }
}
