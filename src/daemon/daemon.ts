import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import type { NamedStrategy } from '../config/strategy.js';
import { hex } from '../core/mark.js';
import { Selector } from '../core/selector.js';
import { SlowStart } from '../core/slow-start.js';
import type { Wan } from '../core/wan.js';
import { SystemError } from '../errors.js';
import type { LineSink } from '../log.js';
import { readQueueTable } from '../queue/proc.js';
import type { QueueError } from '../queue/queue.js';
import { Queues } from '../queue/queues.js';
import type { ServiceManager } from '../system/service-manager.js';
import { NOT_CHECKED } from '../wan/health.js';
import type { ConnectionSource } from './connections.js';
import type { Control } from './control.js';
import { Decider } from './decider.js';
import { DeviceNames } from './device-names.js';
import { Failover } from './failover.js';
import { Hooks } from './hooks.js';
import { InboundWans } from './inbound-wans.js';
import { markLog } from './mark-log.js';
import { Mover } from './mover.js';
import { queueStatuses, queuesTogether } from './queue-status.js';
import { rulesFingerprint } from './rules-fingerprint.js';
import { RulesKeeper } from './rules-keeper.js';
import { type NamedService, Services } from './services.js';
import { Settings } from './settings.js';
import { type QueueStatus, type Status, type WanStatus, withShares } from './status.js';
import { StrategyFaults } from './strategy-faults.js';
import { uplinkStatus } from './uplink-status.js';
import { Uplinks } from './uplinks.js';
import { Watchdog } from './watchdog.js';

/** A status without connections is better than none: 3 us an entry are needed, on a machine that may be busy. */
const COUNTED_MS = 3000;

/** What a daemon is made of; the parts come in ready, so a test can hand it a logger and a strategy of its own. */
export interface DaemonParts {
  readonly config: Config;
  readonly strategy: NamedStrategy;
  readonly logger: Logger;
  /** Where the mark log's lines go; undefined: through the logger. */
  readonly line: LineSink | undefined;
  readonly now: () => number;
  /** Where live connections come from; undefined without WANs, or where nobody can count. */
  readonly connections: ConnectionSource | undefined;
  /** May be empty. */
  readonly services: readonly NamedService[];
  /** As `connections`, for the backends' marks. */
  readonly backendConnections: ConnectionSource | undefined;
  readonly serviceManager: ServiceManager;
  /** Called when a queue is lost and the daemon can decide nothing any more. */
  readonly onLost: (error: QueueError) => void;
}

/** The running selector: its queues and one strategy for the WANs, and the services beside. */
export class Daemon {
  readonly #parts: DaemonParts;
  readonly #selector: Selector;
  readonly #inbound: InboundWans;
  readonly #decider: Decider;
  /** Undefined without WANs. */
  readonly #queues: Queues | undefined;
  readonly #services: Services | undefined;
  readonly #keeper: RulesKeeper | undefined;
  /** Undefined for bare marks, of which nobody knows where they lead, and without WANs. */
  readonly #uplinks: Uplinks | undefined;
  readonly #hooks: Hooks;
  #mover: Mover | undefined;
  #failover: Failover | undefined;
  readonly #settings: Settings;
  /** When all that the WANs' changes of state entail is done. */
  #settled: Promise<unknown> = Promise.resolve();
  readonly #startedAt: number;
  #control: Control | undefined;
  readonly #faults: StrategyFaults;
  readonly #watchdog: Watchdog;
  #lateFlows = 0;

  /** Binds the queues; from here on packets are answered. @throws QueueError */
  static async start(parts: DaemonParts): Promise<Daemon> {
    const daemon = new Daemon(parts);
    try {
      // Packets are answered while it loads.
      const { Control: Socket } = await import('./control.js');
      daemon.#control = await Socket.open(
        parts.config.socket,
        (counted) => daemon.#look(counted),
        (change) => daemon.#settings.set(change),
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
    const { config, strategy, logger, line, now } = parts;
    this.#parts = parts;
    this.#faults = new StrategyFaults(logger, strategy.name, now);
    this.#selector = new Selector(
      config.wans,
      strategy.strategy,
      this.#faults.report,
      new SlowStart(config.slowStartMs, () => performance.now()),
    );
    const listener = config.logMark
      ? markLog(strategy.name, { logger, line, devices: new DeviceNames(), packet: config.logPacket })
      : undefined;
    this.#inbound = new InboundWans(config.wans);
    this.#decider = new Decider(this.#selector, config.field, this.#inbound, (wan, flow, packet) => {
      parts.connections?.decided(wan.mark);
      this.#uplinks?.decided(wan, flow);
      listener?.(wan, flow, packet);
    });
    const { services, backendConnections, onLost } = parts;
    if (services.length > 0) {
      const common = { config, logger, line, now, onLost };
      this.#services = new Services({ ...common, services, connections: backendConnections });
    }
    try {
      this.#queues = config.wans.length > 0 ? this.#openQueues() : undefined;
    } catch (error) {
      this.#services?.closeNow();
      throw error;
    }
    this.#keeper = config.bare
      ? undefined
      : new RulesKeeper({
          logger,
          now,
          devices: devicesOf(config.wans),
          repair: config.repair,
          fingerprint: () => rulesFingerprint(devicesOf(config.wans), config.forwardAccept),
          onUnusable: (unusable, asOf) => this.#uplinks?.unusable(unusable, asOf),
        });
    this.#hooks = new Hooks({
      config,
      logger,
      states: { state: (wan, family) => this.#uplinks?.state(wan, family) ?? NOT_CHECKED },
    });
    this.#uplinks = config.bare || config.wans.length === 0 ? undefined : this.#watchUplinks();
    this.#settings = new Settings({
      wans: config.wans,
      selector: this.#selector,
      logger,
      uplinks: this.#uplinks,
      keeper: this.#keeper,
      settled: () => this.#settled,
    });
    this.#watchdog = new Watchdog(
      parts.serviceManager,
      () => Promise.all([this.#queues?.ping(), this.#services?.ping()]),
      () => this.#summary(),
    );
    this.#startedAt = now();
  }

  /** From here on what goes down is no candidate, also of the kernel; and what is down already is so at once. */
  #watchUplinks(): Uplinks {
    const { config, logger } = this.#parts;
    const forget = (mark: number, mask: number) => this.#queues?.forget(mark, mask);
    this.#mover = new Mover({ config, selector: this.#selector, logger, forget });
    const failover = new Failover({
      config,
      selector: this.#selector,
      logger,
      forget,
      mover: this.#mover,
      setDown: (down) => this.#keeper?.setDown(down) ?? Promise.resolve(),
    });
    const { wans, field, checks } = config;
    const uplinks = new Uplinks({
      wans,
      field,
      checks,
      logger,
      upAfterMs: config.upAfterMs,
      weight: (wan) => this.#selector.weight(wan),
      onChange: (change) => {
        const acted = failover.changed(change);
        // Without the values, or each would hold all of those before.
        this.#settled = Promise.all([this.#settled, acted]).then(() => undefined);
        this.#hooks.changed(change, acted);
      },
      onLinks: (links) => this.#inbound.update(links),
      onMoved: () => this.#keeper?.follow(),
    });
    this.#failover = failover;
    return uplinks;
  }

  /** Begins what starts programs: each takes milliseconds, for which no packet has to wait for its first decision. */
  async #watch(): Promise<void> {
    await setImmediate();
    this.#uplinks?.begin();
    await setImmediate();
    this.#keeper?.begin(this.#failover?.down());
  }

  #openQueues(): Queues {
    const { config, strategy, onLost } = this.#parts;
    return Queues.open(
      {
        num: config.queueNum,
        count: config.queues,
        mask: config.field.mask,
        deadlineMs: config.deadlineMs,
        maxLen: config.queueLength,
        lateNotice: `wanmark: strategy ${strategy.name} has not answered for a second; the kernel chooses\n`,
        onLate: (lateMs) => this.#late(lateMs),
      },
      this.#decider.decide,
      onLost,
    );
  }

  /** Answers what the kernel still holds, gives the queues back and logs a summary. */
  async stop(): Promise<void> {
    const { logger } = this.#parts;
    this.#parts.serviceManager.stopping();
    this.#watchdog.stop();
    this.#control?.close();
    this.#keeper?.stop();
    this.#mover?.stop();
    await this.#uplinks?.stop();
    const hooks = this.#hooks.stop();
    const nums = [...(this.#queues ?? [])].map(({ num }) => num);
    const kernel = readQueueTable()?.filter(({ num }) => nums.includes(num));
    await Promise.all([this.#queues?.close(), this.#services?.stop(), hooks]);
    let total = 0;
    for (const { name, mark, weight, picks, share } of this.status().wans) {
      total += picks;
      logger.info({ wan: name, mark, weight, picks, share: Math.round(share * 10_000) / 10_000 }, 'summary');
    }
    const queue = this.#queues?.stats();
    const { threw, noCandidate } = this.#faults.counts;
    logger.info({ picks: total, strategyFaults: threw + noCandidate, queue, kernel }, 'stopped');
  }

  /** What `wanmark status` shows; where they are only counted while somebody looks, connections may need a moment. */
  async #look(counted: boolean): Promise<Status> {
    const { connections, backendConnections } = this.#parts;
    if (counted) await atMost(COUNTED_MS, [connections?.fresh(), backendConnections?.fresh()]);
    return this.status();
  }

  /** The same as of now, with connections where they are counted. */
  status(): Status {
    const { config, strategy, connections, now } = this.#parts;
    const serviceQueue = this.#services?.queueStatus() ?? null;
    const queues = queueStatuses(this.#queues ?? [], config.queueLength);
    return {
      pid: process.pid,
      uptimeSeconds: Math.round((now() - this.#startedAt) / 100) / 10,
      strategy: strategy.name,
      // There is always one of the two.
      queue: queuesTogether(queues) ?? serviceQueue!,
      queues,
      faults: this.#faults.counts,
      wans: withShares(
        config.wans.map((wan) => ({
          name: wan.name,
          mark: wan.mark,
          dev: wan.dev,
          ...this.#weightStatus(wan),
          tier: wan.tier,
          state: this.#selector.state(wan),
          ...(this.#settings.isDown(wan) ? { setState: 'down' as const } : {}),
          ...uplinkStatus(wan, this.#uplinks),
          warmUp: this.#selector.warmUp(wan),
          connections: connections?.count(wan.mark) ?? null,
          picks: this.#decider.picks(wan),
        })),
      ),
      serviceQueue,
      serviceFaults: this.#services?.faults() ?? null,
      services: this.#services?.status() ?? [],
    };
  }

  #weightStatus(wan: Wan): Pick<WanStatus, 'weight' | 'configuredWeight'> {
    const weight = this.#selector.weight(wan);
    return weight === wan.weight ? { weight } : { weight, configuredWeight: wan.weight };
  }

  #late(lateMs: number): void {
    const { lateFlows } = this.#queues!.stats();
    this.#faults.late(lateMs, lateFlows - this.#lateFlows);
    this.#lateFlows = lateFlows;
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
      wans: config.wans.map((wan) => ({
        name: wan.name,
        mark: wan.mark,
        ...(config.bare ? {} : { dev: wan.dev, tier: wan.tier }),
        weight: wan.weight,
        state: this.#selector.state(wan),
      })),
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

function devicesOf(wans: readonly Wan[]): string[] {
  return [...new Set(wans.map((wan) => wan.dev))];
}
