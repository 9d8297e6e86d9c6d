import type { Config } from '../config/config.js';
import type { ServiceStatus } from '../control/status.js';
import { hex } from '../core/mark.js';
import type { Member } from '../core/member.js';
import type { Pool } from '../core/pool.js';
import { type Backend, backendMember, formatListen, type Service } from '../core/service.js';
import type { NamedStrategy } from '../core/strategy.js';
import { Balancer, type BalancerContext } from './balancer.js';
import { type DecisionListener, NO_INBOUND } from './decider.js';
import { type MarkLogOptions, markLog } from './mark-log.js';
import { findByService } from './service-pools.js';

/** A service and its own instance of its strategy. */
export interface NamedService {
  readonly service: Service;
  readonly strategy: NamedStrategy;
}

export interface ServicesParts extends BalancerContext {
  readonly config: Pick<Config, 'fields' | 'queues'>;
  /** The services; never empty. */
  readonly services: readonly NamedService[];
  /** Undefined when decisions are not logged. */
  readonly markLog: MarkLogOptions | undefined;
}

/** The balancer of incoming connections: one queue for all services, a pool for each. */
export class Services {
  readonly balancer: Balancer;
  readonly #parts: ServicesParts;

  /** Binds the queue; packets are answered from here on. @throws QueueError */
  constructor(parts: ServicesParts) {
    this.#parts = parts;
    const { config, services } = parts;
    const label = (pool: Pool, { configured }: Member) => ({ service: pool.name, backend: configured.name });
    const quiet: DecisionListener = () => undefined;
    this.balancer = new Balancer({
      ...parts,
      field: config.fields.backends,
      pools: services.map(({ service, strategy }) => ({
        name: service.name,
        strategy,
        members: service.backends.map((backend) => backendMember(service, backend)),
      })),
      find: (pools) => findByService(services.map(({ service }, i) => ({ service, pool: pools[i]! }))),
      inbound: NO_INBOUND,
      poolField: 'service',
      label,
      onDecision: parts.markLog === undefined ? quiet : markLog(label, parts.markLog),
      queues: {
        num: config.queues.services,
        count: 1,
        deadlineMs: config.queues.deadlineMs,
        maxLen: config.queues.length,
      },
    });
  }

  /** Ends the balancer and logs its end. */
  async stop(): Promise<void> {
    const serviceQueue = await this.balancer.stop();
    this.#parts.logger.info({ serviceQueue }, 'services stopped');
  }

  /** The services as the log shows them at the start. */
  description(): object {
    const { config, services } = this.#parts;
    return {
      serviceQueue: config.queues.services,
      backendMask: hex(config.fields.backends.mask),
      services: services.map(({ service, strategy }) => ({
        name: service.name,
        listen: formatListen(service),
        strategy: strategy.name,
        backends: service.backends.map(({ name, mark, weight }: Backend) => ({ name, mark, weight })),
      })),
    };
  }

  /** The services' status, as `wanmark status` shows it. */
  status(): ServiceStatus[] {
    const backends = this.balancer.status();
    return this.#parts.services.map(({ service, strategy }, i) => ({
      name: service.name,
      listen: formatListen(service),
      strategy: strategy.name,
      backends: backends[i]!,
    }));
  }
}
