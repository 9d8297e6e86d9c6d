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
import type { TargetId } from '../core/target.js';
import { UsageError } from '../errors.js';
import { readLinks } from '../system/links.js';
import type { HealthMemory } from '../wan/health.js';
import { Balancer } from './balancer.js';
import type { BalancerContext, BalancerShape } from './balancer-shape.js';
import { NO_INBOUND } from './decider.js';
import { CUT_ON_DOWN } from './failover.js';
import { Isolation } from './isolation.js';
import { type MarkLogOptions, markLog } from './mark-log.js';
import { type DaemonMemory, takeUpPicks } from './memory.js';
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

/** What the services are made of: all that another configuration can change while they run. */
export interface ServicesPlan {
  readonly config: Pick<Config, 'fields' | 'queues' | 'health'>;
  /** The services; never empty. */
  readonly services: readonly NamedService[];
  /** Undefined when decisions are not logged. */
  readonly markLog: MarkLogOptions | undefined;
}

export interface ServicesParts extends BalancerContext, ServicesPlan {
  readonly keeper: RulesKeeper | undefined;
  /** What an earlier daemon knew. */
  readonly memory?: DaemonMemory | undefined;
}

/** What belongs to one service, whose pool is found by its name. */
interface Watched {
  readonly name: string;
  readonly family: Family;
  readonly servers: Servers;
  readonly settings: Settings;
}

/** The balancer of incoming connections: one queue for all services, a pool for each. */
export class Services {
  readonly balancer: Balancer;
  readonly #parts: ServicesParts;
  #plan: ServicesPlan;
  #watched: readonly Watched[] = [];
  /** Settles when services that were given up have ended. */
  #ended: Promise<unknown> = Promise.resolve();

  /** Binds the queue; packets are answered from here on. @throws QueueError */
  constructor(parts: ServicesParts) {
    this.#parts = parts;
    this.#plan = parts;
    const { config } = parts;
    this.balancer = new Balancer({
      ...parts,
      ...this.#shape(),
      field: config.fields.backends,
      label,
      tried: (flow) => this.#tried(flow),
      queues: {
        num: config.queues.services,
        count: 1,
        deadlineMs: config.queues.deadlineMs,
        maxLen: config.queues.length,
      },
    });
    takeUpPicks(this.balancer.pools, parts.memory?.picks.services);
    this.#watched = parts.services.map(({ service }) => this.#watch(service.name, parts.memory?.targets));
  }

  /** What is known of the servers, for the next daemon. */
  memory(): ReadonlyMap<TargetId, HealthMemory> {
    return new Map(this.#watched.flatMap(({ servers }) => [...servers.memory()]));
  }

  /**
   * Goes over to another plan between two decisions, when the rules and the states are of it already. Servers that stay
   * keep what is known of them, and their connections; those of servers that are gone live on, since conntrack translates
   * them.
   */
  follow(plan: ServicesPlan): void {
    this.#plan = plan;
    const before = this.#watched;
    this.balancer.reshape(this.#shape());
    this.#watched = plan.services.map(({ service: { name, family } }) => {
      const had = before.find((one) => one.name === name && one.family === family);
      had?.servers.follow();
      return had ?? this.#watch(name);
    });
    const gone = before.filter((one) => !this.#watched.includes(one));
    this.#ended = Promise.all([this.#ended, ...gone.map(({ servers }) => servers.stop())]);
  }

  #shape(): BalancerShape {
    const { services, markLog: options } = this.#plan;
    const { logger, now } = this.#parts;
    const log = options && markLog(label, options);
    const watch = new Isolation(logger, now).around(
      (pool: Pool, name: string, flow: Flow) => this.#of(pool)?.servers.decided(name, flow),
      undefined,
    );
    return {
      pools: services.map(({ service, strategy }) => ({
        name: service.name,
        strategy,
        members: service.backends.map((backend) => backendMember(service, backend)),
        closes: true,
      })),
      find: (pools) =>
        findByService(
          services.map(({ service }, i) => ({ service, pool: pools[i]! })),
          { now, read: readAddresses },
        ),
      inbound: NO_INBOUND,
      poolField: 'service',
      onDecision: (pool, member, flow, packet, when) => {
        // This cannot throw, so the log gets its line whatever becomes of the watch.
        watch(pool, member.target.name, flow);
        log?.(pool, member, flow, packet, when);
      },
      onLateDecision: (pool, flow, ageMs) => this.#of(pool)?.servers.decidedByKernel(flow, ageMs),
    };
  }

  /** The names of the backends as targets: `web/10.0.0.2:80`. */
  get names(): readonly string[] {
    return this.balancer.pools.flatMap((pool) => pool.members.map(({ target }) => target.name));
  }

  /**
   * Finds who sets a backend, or all of a service's at once; undefined where there is neither.
   * @param name of a service, or of a backend as a target, or as in `to=` where only one service has it
   * @throws UsageError for a backend that several services have
   */
  setter(name: string): ((change: Change) => Promise<string>) | undefined {
    const all = this.#watched.flatMap(({ settings }, i) =>
      this.balancer.pools[i]!.members.map(({ target, configured }) => ({
        settings,
        target,
        to: configured.name,
      })),
    );
    const exact = all.filter(({ target }) => target.name === name);
    const whole = this.#watched.find((one) => one.name === name);
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
    await Promise.all([this.#ended, ...this.#watched.map(({ servers }) => servers.stop())]);
    const serviceQueue = await this.balancer.stop();
    this.#parts.logger.info({ serviceQueue }, 'services stopped');
  }

  /** The services as the log shows them at the start. */
  description(): object {
    const { config, services } = this.#plan;
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
    return this.#plan.services.map(({ service, strategy }, i) => {
      const { servers } = this.#watched[i]!;
      return {
        name: service.name,
        listen: formatListen(service),
        strategy: strategy.name,
        backends: this.balancer.pools[i]!.members.map((member, j) => {
          const { name } = member.target;
          const checks = { reports: servers.checks(name), awaited: servers.awaited(name) };
          return judgedStatus(lines[i]![j]!, member, this.#parts.states, checks);
        }),
      };
    });
  }

  #of(pool: Pool): Watched | undefined {
    return this.#watched.find(({ name }) => name === pool.name);
  }

  /** Only the service that a connection is for knows it. */
  #tried(flow: Flow): ReadonlySet<string> | undefined {
    for (const { servers } of this.#watched) {
      const tried = servers.tried(flow);
      if (tried !== undefined) return tried;
    }
    return undefined;
  }

  #watch(name: string, memory?: ReadonlyMap<TargetId, HealthMemory>): Watched {
    const { states, logger, keeper, config, events = NO_EVENTS } = this.#parts;
    // These parts read the configuration in force each time that they need it.
    const plan = () => this.#plan;
    const named = () => this.#plan.services.find(({ service }) => service.name === name);
    const pool = () => this.balancer.pools.find((one) => one.name === name);
    const { service, strategy } = named()!;
    let current = service;
    const servers = new Servers({
      get service() {
        // What of a service that is gone is still on its way finds it as it was.
        current = named()?.service ?? current;
        return current;
      },
      get health() {
        return plan().config.health;
      },
      get cut() {
        return CUT_ON_DOWN[plan().config.health.onDown];
      },
      field: config.fields.backends,
      states,
      logger,
      events,
      memory,
      candidates: () =>
        new Set(
          pool()
            ?.candidates(service.family)
            .map(({ target }) => target.name),
        ),
      hasOther: (one) => pool()?.hasOther(one, service.family) ?? false,
      forget: (mark) => this.balancer.forget(mark),
      follow: () => keeper?.setStates(states) ?? Promise.resolve(),
    });
    const settings = new Settings({
      what: `backend of ${name}`,
      label: (one) => ({ service: name, backend: one.slice(name.length + 1) }),
      get members() {
        return pool()?.members ?? [];
      },
      get strategy() {
        return named()?.strategy ?? strategy;
      },
      states,
      logger,
      events,
      uplinks: servers,
      keeper,
      settled: () => servers.settled(),
    });
    return { name, family: service.family, servers, settings };
  }
}

/** Names a decision in the log. */
function label(pool: Pool, { configured }: Member): object {
  return { service: pool.name, backend: configured.name };
}
