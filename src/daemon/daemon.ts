import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Change, UnknownWan } from '../config/change.js';
import type { Config } from '../config/config.js';
import type { Control } from '../control/control.js';
import type { QueueStatus, Status } from '../control/status.js';
import { markMember } from '../core/bare-mark.js';
import { hex } from '../core/mark.js';
import { backendMember } from '../core/service.js';
import { States } from '../core/states.js';
import type { NamedStrategy } from '../core/strategy.js';
import { wanMember } from '../core/wan.js';
import { SystemError } from '../errors.js';
import type { LineSink } from '../log.js';
import type { QueueError } from '../queue/queue.js';
import type { ServiceManager } from '../system/service-manager.js';
import type { ConnectionSource } from './connections.js';
import { DeviceNames } from './device-names.js';
import { queuesTogether } from './queue-status.js';
import { rulesFingerprint } from './rules-fingerprint.js';
import { RulesKeeper } from './rules-keeper.js';
import { type NamedService, Services } from './services.js';
import { Wans } from './wans.js';
import { Watchdog } from './watchdog.js';

/** A status without connections is better than none: 3 us an entry are needed, on a machine that may be busy. */
const COUNTED_MS = 3000;
/** Where there are no WANs, no strategy of theirs has a fault. */
const NO_FAULTS = { threw: 0, noCandidate: 0, late: 0 } as const;

/** What a daemon is made of; the parts come in ready, so a test can hand it a logger and a strategy of its own. */
export interface DaemonParts {
  readonly config: Config;
  readonly logger: Logger;
  /** Where the mark log's lines go; undefined: through the logger. */
  readonly line: LineSink | undefined;
  /** Milliseconds of a clock that never goes back: that of the states, too. */
  readonly now: () => number;
  /** That of the WANs. */
  readonly strategy: NamedStrategy;
  /** May be empty. */
  readonly services: readonly NamedService[];
  /** Where live connections of the WANs' marks come from; undefined where there are none, or nobody can count. */
  readonly connections: ConnectionSource | undefined;
  /** The same of the backends' marks. */
  readonly backendConnections: ConnectionSource | undefined;
  /** Called when a queue is lost. */
  readonly onLost: (error: QueueError) => void;
  readonly serviceManager: ServiceManager;
}

/** The running selector: its two balancers, and what is for both: states, rules, control socket, systemd. */
export class Daemon {
  readonly #parts: DaemonParts;
  readonly #states: States;
  /** Undefined where there are neither WANs nor bare marks. */
  readonly #wans: Wans | undefined;
  /** Undefined where there are none. */
  readonly #services: Services | undefined;
  /** Undefined where the rules are the user's own. */
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
        (change) => daemon.#set(change),
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
    const { config, strategy, services, logger, line, now, connections, backendConnections, onLost } = parts;
    this.#parts = parts;
    const members = [
      ...config.wans.map(wanMember),
      ...config.marks.map(markMember),
      ...config.services.flatMap((service) => service.backends.map((one) => backendMember(service, one))),
    ];
    this.#states = new States(
      members.map(({ target }) => target),
      { now, slowStartMs: config.slowStartMs },
    );
    const markLog = config.logMark
      ? { logger, line, devices: new DeviceNames(), packet: config.logPacket }
      : undefined;
    const common = { config, logger, now, states: this.#states, onLost, markLog };
    if (services.length > 0) {
      this.#services = new Services({ ...common, services, connections: backendConnections });
    }
    this.#keeper = config.marks.length > 0 ? undefined : this.#makeKeeper();
    try {
      if (config.targets.length > 0) {
        this.#wans = new Wans({ ...common, strategy, connections, keeper: this.#keeper });
      }
    } catch (error) {
      this.#services?.balancer.closeNow();
      throw error;
    }
    this.#watchdog = new Watchdog(
      parts.serviceManager,
      () => Promise.all([this.#wans?.balancer.ping(), this.#services?.balancer.ping()]),
      () => this.#summary(),
    );
    this.#startedAt = now();
  }

  #makeKeeper(): RulesKeeper {
    const { config, logger, now } = this.#parts;
    const devices = [...new Set(config.wans.map((wan) => wan.dev))];
    return new RulesKeeper({
      logger,
      now,
      devices,
      repair: config.repair,
      fingerprint: () => rulesFingerprint(devices, config.forwardAccept),
      onUnusable: (ids, asOf) => this.#wans?.unusable(ids, asOf),
    });
  }

  /** Begins what starts programs: each takes milliseconds, for which no packet has to wait for its first decision. */
  async #watch(): Promise<void> {
    await setImmediate();
    this.#wans?.begin();
    await setImmediate();
    // Without WANs nobody knows of any whether it works.
    this.#keeper?.begin(this.#wans === undefined ? undefined : this.#states);
  }

  /** Answers what the kernel still holds, gives the queues back and logs summaries. */
  async stop(): Promise<void> {
    this.#parts.serviceManager.stopping();
    this.#watchdog.stop();
    this.#control?.close();
    this.#keeper?.stop();
    await this.#services?.stop();
    if (this.#wans !== undefined) await this.#wans.stop();
    // The last line of every daemon's log.
    else this.#parts.logger.info({ picks: 0, strategyFaults: 0 }, 'stopped');
  }

  async #set(change: Change): Promise<string> {
    if (this.#wans === undefined) throw new UnknownWan(change.wan, []);
    return this.#wans.set(change);
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
    const [serviceQueue = null] = this.#services?.balancer.queueStatuses() ?? [];
    const queues = this.#wans?.balancer.queueStatuses() ?? [];
    return {
      pid: process.pid,
      uptimeSeconds: Math.round((now() - this.#startedAt) / 100) / 10,
      strategy: strategy.name,
      // There is always one of the two.
      queue: queuesTogether(queues) ?? serviceQueue!,
      queues,
      faults: this.#wans?.balancer.faults() ?? NO_FAULTS,
      wans: this.#wans?.status() ?? [],
      serviceQueue,
      serviceFaults: this.#services?.balancer.faults() ?? null,
      services: this.#services?.status() ?? [],
    };
  }

  /** One line for `systemctl status`. */
  #summary(): string {
    const { strategy, config } = this.#parts;
    const queues = this.status();
    const all = [
      queues.queue,
      ...(config.targets.length > 0 && queues.serviceQueue ? [queues.serviceQueue] : []),
    ];
    const sum = (count: (queue: QueueStatus) => number) =>
      all.reduce((total, queue) => total + count(queue), 0);
    return [
      ...(config.targets.length > 0 ? [`${strategy.name} over ${config.targets.length} WANs`] : []),
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
      wans: this.#wans?.description() ?? [],
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
