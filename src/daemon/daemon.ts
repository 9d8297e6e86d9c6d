import { setImmediate } from 'node:timers/promises';
import type { NamedStrategy } from '../config/strategy.js';
import type { Control } from '../control/control.js';
import type { QueueStatus, Status } from '../control/status.js';
import { hex } from '../core/mark.js';
import { SystemError } from '../errors.js';
import type { ServiceManager } from '../system/service-manager.js';
import type { BalancerParts } from './balancer.js';
import type { ConnectionSource } from './connections.js';
import { queuesTogether } from './queue-status.js';
import { rulesFingerprint } from './rules-fingerprint.js';
import { RulesKeeper } from './rules-keeper.js';
import { type NamedService, Services } from './services.js';
import { Wans } from './wans.js';
import { Watchdog } from './watchdog.js';

/** A status without connections is better than none: 3 us an entry are needed, on a machine that may be busy. */
const COUNTED_MS = 3000;

/** What a daemon is made of; the parts come in ready, so a test can hand it a logger and a strategy of its own. */
export interface DaemonParts extends BalancerParts {
  readonly strategy: NamedStrategy;
  /** May be empty. */
  readonly services: readonly NamedService[];
  /** As `connections`, for the backends' marks. */
  readonly backendConnections: ConnectionSource | undefined;
  readonly serviceManager: ServiceManager;
}

/** The running selector: the WANs and the services, and what is for both: rules, control socket, systemd. */
export class Daemon {
  readonly #parts: DaemonParts;
  readonly #wans: Wans;
  /** Undefined where there are none. */
  readonly #services: Services | undefined;
  /** Undefined for bare marks. */
  readonly #keeper: RulesKeeper | undefined;
  readonly #startedAt: number;
  #control: Control | undefined;
  readonly #watchdog: Watchdog;

  /** Binds the queues; from here on packets are answered. @throws QueueError */
  static async start(parts: DaemonParts): Promise<Daemon> {
    const daemon = new Daemon(parts);
    try {
      // Packets are answered while it loads.
      const { Control: Socket } = await import('../control/control.js');
      daemon.#control = await Socket.open(
        parts.config.socket,
        (counted) => daemon.#look(counted),
        (change) => daemon.#wans.set(change),
      );
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // Connections matter more than the view on them.
      parts.logger.warn(`wanmark status and set will not work: ${error.message}`);
    }
    parts.logger.info(daemon.#description(), 'started');
    parts.serviceManager.ready(daemon.#summary());
    await daemon.#watch();
    return daemon;
  }

  private constructor(parts: DaemonParts) {
    const { config, strategy, logger, line, now, connections, onLost } = parts;
    this.#parts = parts;
    const common = { config, logger, line, now, onLost };
    const { services, backendConnections } = parts;
    if (services.length > 0) {
      this.#services = new Services({ ...common, services, connections: backendConnections });
    }
    const devices = [...new Set(config.wans.map((wan) => wan.dev))];
    this.#keeper = config.bare
      ? undefined
      : new RulesKeeper({
          logger,
          now,
          devices,
          repair: config.repair,
          fingerprint: () => rulesFingerprint(devices, config.forwardAccept),
          onUnusable: (unusable, asOf) => this.#wans.unusable(unusable, asOf),
        });
    try {
      this.#wans = new Wans({ ...common, strategy, connections, keeper: this.#keeper });
    } catch (error) {
      this.#services?.closeNow();
      throw error;
    }
    this.#watchdog = new Watchdog(
      parts.serviceManager,
      () => Promise.all([this.#wans.ping(), this.#services?.ping()]),
      () => this.#summary(),
    );
    this.#startedAt = now();
  }

  /** Begins what starts programs: each takes milliseconds, for which no packet has to wait for its first decision. */
  async #watch(): Promise<void> {
    await setImmediate();
    this.#wans.begin();
    await setImmediate();
    this.#keeper?.begin(this.#wans.down());
  }

  /** Answers what the kernel still holds, gives the queues back and logs summaries. */
  async stop(): Promise<void> {
    this.#parts.serviceManager.stopping();
    this.#watchdog.stop();
    this.#control?.close();
    this.#keeper?.stop();
    await this.#services?.stop();
    await this.#wans.stop();
  }

  /** What `wanmark status` shows; where they are only counted while somebody looks, connections may need a moment. */
  async #look(counted: boolean): Promise<Status> {
    const { connections, backendConnections } = this.#parts;
    if (counted) await atMost(COUNTED_MS, [connections?.fresh(), backendConnections?.fresh()]);
    return this.status();
  }

  /** The same as of now, with connections where they are counted. */
  status(): Status {
    const { strategy, now } = this.#parts;
    const serviceQueue = this.#services?.queueStatus() ?? null;
    const queues = this.#wans.queueStatuses();
    return {
      pid: process.pid,
      uptimeSeconds: Math.round((now() - this.#startedAt) / 100) / 10,
      strategy: strategy.name,
      // There is always one of the two.
      queue: queuesTogether(queues) ?? serviceQueue!,
      queues,
      faults: this.#wans.faults(),
      wans: this.#wans.status(),
      serviceQueue,
      serviceFaults: this.#services?.faults() ?? null,
      services: this.#services?.status() ?? [],
    };
  }

  /** One line for `systemctl status`. */
  #summary(): string {
    const { strategy, config } = this.#parts;
    const queues = this.status();
    const all = [
      queues.queue,
      ...(config.wans.length > 0 && queues.serviceQueue ? [queues.serviceQueue] : []),
    ];
    const sum = (count: (queue: QueueStatus) => number) =>
      all.reduce((total, queue) => total + count(queue), 0);
    return [
      ...(config.wans.length > 0 ? [`${strategy.name} over ${config.wans.length} WANs`] : []),
      ...(config.services.length > 0 ? [`${config.services.length} services`] : []),
      `${sum((queue) => queue.verdicts)} verdicts`,
      `${sum((queue) => queue.kernelDecided)} left to the kernel`,
    ].join(', ');
  }

  #description(): object {
    const { config, strategy } = this.#parts;
    return {
      strategy: strategy.name,
      queue: config.queueNum,
      queues: config.queues,
      mask: hex(config.field.mask),
      wans: this.#wans.description(),
      ...(this.#services === undefined ? {} : this.#services.description()),
    };
  }
}

/** Waits for all of them, or so long. */
async function atMost(ms: number, all: readonly (Promise<void> | undefined)[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.all(all), late]);
  clearTimeout(timer);
}
