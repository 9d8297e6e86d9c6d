import type { Change } from '../config/change.js';
import type { Config } from '../config/config.js';
import type { ServiceStatus } from '../control/status.js';
import { NO_EVENTS } from '../core/event.js';
import type { Family } from '../core/family.js';
import type { Flow } from '../core/flow.js';
import { hex } from '../core/mark.js';
import type { Member } from '../core/member.js';
import type { Pool } from '../core/pool.js';
import { type Backend, backendMember, formatListen, type Service } from '../core/service.js';
import type { NamedStrategy } from '../core/strategy.js';
import { UsageError } from '../errors.js';
import { readLinks } from '../system/links.js';
import { Balancer, type BalancerContext } from './balancer.js';
import { NO_INBOUND } from './decider.js';
import { CUT_ON_DOWN } from './failover.js';
import { Isolation } from './isolation.js';
import { type MarkLogOptions, markLog } from './mark-log.js';
import type { RulesKeeper } from './rules-keeper.js';
import { Servers } from './servers.js';
import { findByService } from './service-pools.js';
import { Settings } from './settings.js';
import { judgedStatus } from './uplink-status.js';

function readAddresses() {
  const links = readLinks();
  return (device: string, family: Family) => links.addresses(device, family).map(({ local }) => local);
}

/** A service and its own instance of its strategy. */
export interface NamedService {
  readonly service: Service;
  readonly strategy: NamedStrategy;
}

export interface ServicesParts extends BalancerContext {
  readonly config: Pick<Config, 'fields' | 'queues' | 'health'>;
  readonly keeper: RulesKeeper | undefined;
  /** The services; never empty. */
  readonly services: readonly NamedService[];
  /** Undefined when decisions are not logged. */
  readonly markLog: MarkLogOptions | undefined;
}

/** What belongs to one service. */
interface Watched {
  readonly pool: Pool;
  readonly servers: Servers;
  readonly settings: Settings;
}

/** The balancer of incoming connections: one queue for all services, a pool for each. */
export class Services {
  readonly balancer: Balancer;
  readonly #parts: ServicesParts;
  readonly #watched: readonly Watched[];

  /** Binds the queue; packets are answered from here on. @throws QueueError */
  constructor(parts: ServicesParts) {
    this.#parts = parts;
    const { config, services } = parts;
    const label = (pool: Pool, { configured }: Member) => ({ service: pool.name, backend: configured.name });
    const log = parts.markLog && markLog(label, parts.markLog);
    const watch = new Isolation(parts.logger, parts.now).around(
      (pool: Pool, name: string, flow: Flow) => this.#of(pool).servers.decided(name, flow),
      undefined,
    );
    this.balancer = new Balancer({
      ...parts,
      field: config.fields.backends,
      pools: services.map(({ service, strategy }) => ({
        name: service.name,
        strategy,
        members: service.backends.map((backend) => backendMember(service, backend)),
        closes: true,
      })),
      find: (pools) =>
        findByService(
          services.map(({ service }, i) => ({ service, pool: pools[i]! })),
          { now: parts.now, read: readAddresses },
        ),
      inbound: NO_INBOUND,
      poolField: 'service',
      label,
      tried: (flow) => this.#tried(flow),
      onDecision: (pool, member, flow, packet) => {
        // This cannot throw, so the log gets its line whatever becomes of the watch.
        watch(pool, member.target.name, flow);
        log?.(pool, member, flow, packet);
      },
      queues: {
        num: config.queues.services,
        count: 1,
        deadlineMs: config.queues.deadlineMs,
        maxLen: config.queues.length,
      },
    });
    this.#watched = services.map((one, i) => this.#watch(one, this.balancer.pools[i]!));
  }

  /** The names of the backends as targets: `web/10.0.0.2:80`. */
  get names(): readonly string[] {
    return this.#watched.flatMap(({ pool }) => pool.members.map(({ target }) => target.name));
  }

  /**
   * Finds who sets a backend, or all of a service's at once; undefined where there is neither.
   * @param name of a service, or of a backend as a target, or as in `to=` where only one service has it
   * @throws UsageError for a backend that several services have
   */
  setter(name: string): ((change: Change) => Promise<string>) | undefined {
    const all = this.#watched.flatMap(({ pool, settings }) =>
      pool.members.map(({ target, configured }) => ({ settings, target, to: configured.name })),
    );
    const exact = all.filter(({ target }) => target.name === name);
    const whole = this.#watched.find(({ pool }) => pool.name === name);
    if (exact.length === 0 && whole !== undefined) return (change) => whole.settings.setAll(change);
    const found = exact.length > 0 ? exact : all.filter(({ to }) => to === name);
    const [first, ...more] = found;
    if (first === undefined) return undefined;
    if (more.length > 0) {
      const names = found.map(({ target }) => target.name).join(', ');
      throw new UsageError(`"${name}" is not one backend; set one of ${names}`);
    }
    return (change) => first.settings.set({ ...change, wan: first.target.name });
  }

  /** Ends the watch and the balancer, and logs its end. */
  async stop(): Promise<void> {
    await Promise.all(this.#watched.map(({ servers }) => servers.stop()));
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
    const lines = this.balancer.status();
    return this.#parts.services.map(({ service, strategy }, i) => {
      const { pool, servers } = this.#watched[i]!;
      return {
        name: service.name,
        listen: formatListen(service),
        strategy: strategy.name,
        backends: pool.members.map((member, j) =>
          judgedStatus(lines[i]![j]!, member, this.#parts.states, servers.checks(member.target.name)),
        ),
      };
    });
  }

  #of(pool: Pool): Watched {
    return this.#watched[this.balancer.pools.indexOf(pool)]!;
  }

  /** Only the service that a connection is for knows it. */
  #tried(flow: Flow): ReadonlySet<string> | undefined {
    for (const { servers } of this.#watched) {
      const tried = servers.tried(flow);
      if (tried !== undefined) return tried;
    }
    return undefined;
  }

  #watch({ service, strategy }: NamedService, pool: Pool): Watched {
    const { config, states, logger, keeper } = this.#parts;
    const events = this.#parts.events ?? NO_EVENTS;
    const servers = new Servers({
      service,
      field: config.fields.backends,
      health: config.health,
      cut: CUT_ON_DOWN[config.health.onDown],
      states,
      logger,
      events,
      candidates: () => new Set(pool.candidates(service.family).map(({ target }) => target.name)),
      hasOther: (name) => pool.hasOther(name, service.family),
      forget: (mark) => this.balancer.forget(mark),
      follow: () => keeper?.setStates(states) ?? Promise.resolve(),
    });
    const settings = new Settings({
      what: `backend of ${service.name}`,
      label: (name) => ({ service: service.name, backend: name.slice(service.name.length + 1) }),
      members: pool.members,
      states,
      strategy,
      logger,
      events,
      uplinks: servers,
      keeper,
      settled: () => servers.settled(),
    });
    return { pool, servers, settings };
  }
}
