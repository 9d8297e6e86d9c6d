import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Change, UnknownWan } from '../config/change.js';
import type { Config } from '../config/config.js';
import type { ConnectionsV1 } from '../control/connections.js';
import type { Control } from '../control/control.js';
import type { QueueStatus, Status, StatusV1 } from '../control/status.js';
import type { ConnectionQuery } from '../core/listed-connection.js';
import { hex } from '../core/mark.js';
import type { States } from '../core/states.js';
import { SystemError, UsageError } from '../errors.js';
import { checkQuery, listedConfig } from '../system/connection-list.js';
import { rulesAreUp } from '../system/installed.js';
import type { Journal } from '../system/journal.js';
import { ownsUs } from '../system/peer-user.js';
import type { ServiceManager } from '../system/service-manager.js';
import { ownVersion } from '../system/version.js';
import { atMost } from './at-most.js';
import { ConnectionLists } from './connection-lists.js';
import { Explanations } from './explanations.js';
import { Isolation } from './isolation.js';
import { loadLater } from './later.js';
import { noQueue, queuesTogether } from './queue-status.js';
import type { Reload } from './reload.js';
import type { RulesKeeper } from './rules-keeper.js';
import type { Services } from './services.js';
import type { Wans } from './wans.js';
import { Watchdog } from './watchdog.js';

/**
 * How long a status waits for connection counts. An entry takes 3 us to read, on a machine that may be busy; a status
 * without counts is better than none.
 */
const COUNTED_MS = 3000;
/** How long a part may take to end. Hooks have two seconds of it. */
const MOST_STOPPING_MS = 10_000;
/** The fault counts without WANs: there is no strategy of theirs to fail. */
const NO_FAULTS = { threw: 0, noCandidate: 0, late: 0 } as const;

/**
 * The parts of a daemon; they come in ready and are running already. The configuration and the strategy's name are those in
 * force, and are read anew each time.
 */
export interface DaemonParts {
  readonly config: Pick<
    Config,
    'targets' | 'wans' | 'services' | 'fields' | 'queues' | 'rules' | 'policies' | 'socket'
  >;
  /** The name of the WANs' strategy. */
  readonly strategyName: string;
  readonly logger: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly serviceManager: ServiceManager;
  readonly events: Journal;
  /** Settles when the numbers of live connections are true. */
  readonly fresh: () => Promise<unknown>;
  /** Does what {@link Reloads.reload} says. */
  readonly reload: (dry: boolean) => Promise<Reload>;
  readonly states: States;
  /** Undefined where there are neither WANs nor bare marks. */
  readonly wans: Wans | undefined;
  /** Undefined where there are no services. */
  readonly services: Services | undefined;
  /** Undefined where the rules belong to the user. */
  readonly keeper: RulesKeeper | undefined;
}

/** The running daemon: everything that its two balancers share, which is the control socket, the rules and systemd. */
export class Daemon {
  readonly #parts: DaemonParts;
  readonly #startedAt: number;
  #control: Control | undefined;
  #lists: ConnectionLists | undefined;
  readonly #explanations: Explanations;
  readonly #watchdog: Watchdog;
  readonly #isolation: Isolation;

  /** Starts everything that decisions do not need; packets are answered meanwhile. */
  static async start(parts: DaemonParts): Promise<Daemon> {
    const daemon = new Daemon(parts);
    try {
      // Loaded late, since packets can be answered meanwhile.
      const { Control: Socket } = await import('../control/control.js');
      daemon.#control = await Socket.open(
        parts.config.socket,
        (counted) => daemon.#look(counted),
        (change) => daemon.#set(change),
        daemon.#isolation.report,
        {
          status: async (counted, history) => daemon.#statusV1(await daemon.#look(counted), history),
          connections: (query) => daemon.#connections(query),
          explain: (query) => daemon.#explanations.explain(query),
          events: parts.events,
        },
        { isAllowed: ownsUs, reload: parts.reload },
      );
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // Connections matter more than being able to look at them.
      parts.logger.warn(`wanmark status, set and reload will not work: ${error.message}`);
    }
    await loadLater(parts.logger);
    const isolation = daemon.#isolation;
    parts.events.note({ kind: 'start', pid: process.pid, version: ownVersion() });
    parts.logger.info(
      isolation.run(() => daemon.#description(), {}),
      'started',
    );
    isolation.run(() => parts.serviceManager.ready(isolation.run(() => daemon.#summary(), '')), undefined);
    await daemon.#watch();
    return daemon;
  }

  private constructor(parts: DaemonParts) {
    this.#parts = parts;
    const { wans, services, serviceManager, now, logger } = parts;
    this.#isolation = new Isolation(logger, now);
    this.#watchdog = new Watchdog(
      serviceManager,
      () => Promise.all([wans?.balancer.ping(), services?.balancer.ping()]),
      () => this.#summary(),
      this.#isolation,
    );
    this.#startedAt = now();
    this.#explanations = new Explanations(parts.config.socket);
  }

  /** Starts the helper programs last: each start takes milliseconds, which the first decisions need not wait for. */
  async #watch(): Promise<void> {
    const { wans, keeper, states } = this.#parts;
    const isolation = this.#isolation;
    await setImmediate();
    isolation.run(() => wans?.begin(), undefined);
    await setImmediate();
    isolation.run(() => keeper?.begin(states), undefined);
  }

  /**
   * Answers the packets that the kernel still holds, gives the queues back and logs summaries. A part that fails or
   * hangs does not keep the others from ending.
   */
  async stop(): Promise<void> {
    const { serviceManager, keeper, services, wans, logger, events, now } = this.#parts;
    const end = (part: () => unknown) => this.#isolation.settle(part, MOST_STOPPING_MS);
    await end(() => serviceManager.stopping());
    await end(() => this.#watchdog.stop());
    await end(() => this.#control?.close());
    await end(() => keeper?.stop());
    await end(() => services?.stop());
    const uptimeSeconds = Math.round((now() - this.#startedAt) / 1000);
    await end(() => events.note({ kind: 'stop', pid: process.pid, uptimeSeconds }));
    if (wans !== undefined) await end(() => wans.stop());
    // Every daemon's log ends with this line.
    else logger.info({ picks: 0, strategyFaults: 0 }, 'stopped');
  }

  async #set(change: Change): Promise<string> {
    const { wans, services } = this.#parts;
    const name = change.wan;
    if (services === undefined || wans?.names.includes(name) === true) {
      if (wans === undefined) throw new UnknownWan(name, []);
      return wans.set(change);
    }
    const set = services.setter(name);
    if (set === undefined) {
      const what = wans === undefined ? 'backend' : 'WAN or backend';
      throw new UnknownWan(name, [...(wans?.names ?? []), ...services.names], what);
    }
    return set(change);
  }

  /** The status for `wanmark status`. It may have to wait for connection counts, where they are made only on demand. */
  async #look(counted: boolean): Promise<Status> {
    const { fresh, wans } = this.#parts;
    await atMost(COUNTED_MS, Promise.all([wans?.balancer.fresh(), counted ? fresh() : undefined]));
    return this.status();
  }

  /** The status right now, with connections where they are counted. */
  status(): Status {
    const { strategyName, wans, services, keeper, now, config } = this.#parts;
    const [serviceQueue = null] = services?.balancer.queueStatuses() ?? [];
    const queues = wans?.balancer.queueStatuses() ?? [];
    const ahead = wans?.balancer.aheadStatus();
    return {
      pid: process.pid,
      uptimeSeconds: Math.round((now() - this.#startedAt) / 100) / 10,
      strategy: strategyName,
      ...(ahead && { ahead }),
      queue: queuesTogether(queues) ?? serviceQueue ?? noQueue(config.queues),
      queues,
      faults: wans?.balancer.faults() ?? NO_FAULTS,
      wans: wans?.status() ?? [],
      sticky: wans?.stickyStatus() ?? null,
      policies: wans?.policyStatus() ?? [],
      serviceQueue,
      serviceFaults: services?.balancer.faults() ?? null,
      services: services?.status() ?? [],
      notes: keeper?.notes ?? [],
    };
  }

  #statusV1(status: Status, withHistory: boolean): StatusV1 {
    const { wans, keeper } = this.#parts;
    return {
      api: 1,
      at: new Date().toISOString(),
      version: ownVersion(),
      ...status,
      rules: keeper === undefined ? null : { up: rulesAreUp(), failure: keeper.failure ?? null },
      ...(withHistory && { history: wans?.history() ?? {} }),
    };
  }

  async #connections(query: ConnectionQuery): Promise<ConnectionsV1> {
    const { config } = this.#parts;
    if (config.wans.length === 0) throw new UsageError('connections are listed by WAN, and there is none');
    checkQuery(config, query);
    this.#lists ??= new ConnectionLists(listedConfig(config));
    return { api: 1, ...(await this.#lists.list(query)) };
  }

  /** One line for `systemctl status`. */
  #summary(): string {
    const { strategyName, config } = this.#parts;
    const queues = this.status();
    if (queues.ahead !== undefined)
      return `${strategyName} over ${config.targets.length} WANs, choices written ahead ${queues.ahead.writes} times`;
    const all = [
      queues.queue,
      ...(config.targets.length > 0 && queues.serviceQueue ? [queues.serviceQueue] : []),
    ];
    const sum = (count: (queue: QueueStatus) => number) =>
      all.reduce((total, queue) => total + count(queue), 0);
    return [
      ...(config.targets.length > 0 ? [`${strategyName} over ${config.targets.length} WANs`] : []),
      ...(config.services.length > 0 ? [`${config.services.length} services`] : []),
      `${sum((queue) => queue.verdicts)} verdicts`,
      `${sum((queue) => queue.kernelDecided)} left to the kernel`,
    ].join(', ');
  }

  #description(): object {
    const { config, strategyName, wans, services } = this.#parts;
    return {
      strategy: strategyName,
      ...(config.rules.engine === 'ahead'
        ? { engine: 'ahead' }
        : { queue: config.queues.num, queues: config.queues.count }),
      mask: hex(config.fields.wans.mask),
      wans: wans?.description() ?? [],
      ...services?.description(),
    };
  }
}
