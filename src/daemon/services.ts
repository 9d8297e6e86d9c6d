import type { NamedStrategy } from '../config/strategy.js';
import type { FaultCounts, QueueStatus, ServiceStatus } from '../control/status.js';
import { hex } from '../core/mark.js';
import { Selector } from '../core/selector.js';
import { formatListen, type Service } from '../core/service.js';
import { Queue } from '../queue/queue.js';
import type { BalancerParts } from './balancer.js';
import { DeviceNames } from './device-names.js';
import { serviceMarkLog } from './mark-log.js';
import { queueStatuses } from './queue-status.js';
import { type Pool, ServiceDecider } from './service-decider.js';
import { withShares } from './shares.js';
import { StrategyFaults, sumFaults } from './strategy-faults.js';

/** A service and its own instance of its strategy. */
export interface NamedService {
  readonly service: Service;
  readonly strategy: NamedStrategy;
}

export interface ServicesParts extends BalancerParts {
  /** Not empty. */
  readonly services: readonly NamedService[];
}

/** The balancer of incoming connections: one queue for all services, a strategy for each. */
export class Services {
  readonly #parts: ServicesParts;
  readonly #pools: readonly Pool[];
  readonly #decider: ServiceDecider;
  readonly #queue: Queue;
  readonly #faults: StrategyFaults[] = [];
  /** Which of the services' strategies was late cannot be told. */
  readonly #lateness: StrategyFaults;
  #lateFlows = 0;

  /** Binds the queue; from here on packets are answered. @throws QueueError */
  constructor(parts: ServicesParts) {
    const { config, services, logger, line, now, connections, onLost } = parts;
    this.#parts = parts;
    this.#pools = services.map((named) => {
      const faults = new StrategyFaults(
        logger.child({ service: named.service.name }),
        named.strategy.name,
        now,
      );
      this.#faults.push(faults);
      return {
        ...named,
        selector: new Selector(named.service.backends, named.strategy.strategy, faults.report),
      };
    });
    const log = config.logMark
      ? serviceMarkLog({ logger, line, devices: new DeviceNames(), packet: config.logPacket })
      : undefined;
    this.#decider = new ServiceDecider(this.#pools, config.backendField, (pool, backend, flow, packet) => {
      connections?.decided(backend.mark);
      log?.(pool, backend, flow, packet);
    });
    this.#lateness = new StrategyFaults(logger, "a service's", now);
    this.#queue = Queue.open(
      {
        num: config.serviceQueue,
        mask: config.backendField.mask,
        deadlineMs: config.deadlineMs,
        maxLen: config.queueLength,
        lateNotice: "wanmark: a service's strategy has not answered for a second; the kernel chooses\n",
        onLate: (lateMs) => this.#late(lateMs),
      },
      this.#decider.decide,
      onLost,
    );
  }

  /** Answers what the kernel still holds, gives the queue back and logs a summary. */
  async stop(): Promise<void> {
    const { logger } = this.#parts;
    await this.#queue.close();
    for (const { name, backends } of this.status()) {
      for (const { name: backend, mark, weight, picks, share } of backends) {
        logger.info(
          { service: name, backend, mark, weight, picks, share: Math.round(share * 10_000) / 10_000 },
          'summary',
        );
      }
    }
    logger.info({ serviceQueue: this.#queue.stats() }, 'services stopped');
  }

  /** What the log says at the start. */
  description(): object {
    const { config, services } = this.#parts;
    return {
      serviceQueue: config.serviceQueue,
      backendMask: hex(config.backendField.mask),
      services: services.map(({ service, strategy }) => ({
        name: service.name,
        listen: formatListen(service),
        strategy: strategy.name,
        backends: service.backends.map(({ name, mark, weight }) => ({ name, mark, weight })),
      })),
    };
  }

  /** Ends at once, where the daemon cannot start. */
  closeNow(): void {
    this.#queue.closeNow();
  }

  /** What `wanmark status` shows of the services. */
  status(): ServiceStatus[] {
    const { connections } = this.#parts;
    return this.#pools.map(({ service, strategy, selector }) => ({
      name: service.name,
      listen: formatListen(service),
      strategy: strategy.name,
      backends: withShares(
        service.backends.map((backend) => ({
          name: backend.name,
          mark: backend.mark,
          weight: backend.weight,
          state: selector.state(backend),
          connections: connections?.count(backend.mark) ?? null,
          picks: this.#decider.picks(backend),
        })),
      ),
    }));
  }

  queueStatus(): QueueStatus {
    return queueStatuses([this.#queue], this.#parts.config.queueLength)[0]!;
  }

  /** Of all their strategies. */
  faults(): FaultCounts {
    return sumFaults([...this.#faults, this.#lateness].map((faults) => faults.counts));
  }

  /** As of a queue. */
  ping(): Promise<void> {
    return this.#queue.ping();
  }

  #late(lateMs: number): void {
    const { lateFlows } = this.#queue.stats();
    this.#lateness.late(lateMs, lateFlows - this.#lateFlows);
    this.#lateFlows = lateFlows;
  }
}
