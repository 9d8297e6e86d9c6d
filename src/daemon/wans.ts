import type { Change } from '../config/change.js';
import type { NamedStrategy } from '../config/strategy.js';
import type { FaultCounts, QueueStatus, WanStatus } from '../control/status.js';
import { Selector } from '../core/selector.js';
import { SlowStart } from '../core/slow-start.js';
import type { Wan } from '../core/wan.js';
import { readQueueTable } from '../queue/proc.js';
import { Queues } from '../queue/queues.js';
import { NOT_CHECKED } from '../wan/health.js';
import type { BalancerParts } from './balancer.js';
import { Decider } from './decider.js';
import { DeviceNames } from './device-names.js';
import { Failover } from './failover.js';
import { Hooks } from './hooks.js';
import { InboundWans } from './inbound-wans.js';
import { markLog } from './mark-log.js';
import { Mover } from './mover.js';
import { queueStatuses } from './queue-status.js';
import type { RulesKeeper } from './rules-keeper.js';
import { Settings } from './settings.js';
import { withShares } from './shares.js';
import { StrategyFaults } from './strategy-faults.js';
import { uplinkStatus } from './uplink-status.js';
import { Uplinks } from './uplinks.js';

/** The config's WANs may be none: then there is no queue, and nothing to watch. */
export interface WansParts extends BalancerParts {
  readonly strategy: NamedStrategy;
  /** Undefined for bare marks. */
  readonly keeper: RulesKeeper | undefined;
}

/** The balancer of outgoing connections: its queues, the strategy, and the watch over the uplinks that feeds it. */
export class Wans {
  readonly #parts: WansParts;
  readonly #selector: Selector;
  readonly #inbound: InboundWans;
  readonly #decider: Decider;
  /** Undefined without WANs. */
  readonly #queues: Queues | undefined;
  /** Undefined for bare marks, of which nobody knows where they lead, and without WANs. */
  readonly #uplinks: Uplinks | undefined;
  readonly #hooks: Hooks;
  #mover: Mover | undefined;
  #failover: Failover | undefined;
  readonly #settings: Settings;
  /** When all that the WANs' changes of state entail is done. */
  #settled: Promise<unknown> = Promise.resolve();
  readonly #faults: StrategyFaults;
  #lateFlows = 0;

  /** Binds the queues; from here on packets are answered. @throws QueueError */
  constructor(parts: WansParts) {
    const { config, strategy, logger, line, now, keeper } = parts;
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
    this.#queues = config.wans.length > 0 ? this.#openQueues() : undefined;
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
      keeper,
      settled: () => this.#settled,
    });
  }

  /** Hears of the uplinks' changes at once from now on: starts a program, for which decisions wait. */
  begin(): void {
    this.#uplinks?.begin();
  }

  /** The WANs and families that are down, as the rules know them; undefined: nobody watches. */
  down(): readonly string[] | undefined {
    return this.#failover?.down();
  }

  /** As {@link Uplinks.unusable}. */
  unusable(wans: ReadonlySet<string>, asOf: number): void {
    this.#uplinks?.unusable(wans, asOf);
  }

  /** As {@link Settings.set}. */
  set(change: Change): Promise<string> {
    return this.#settings.set(change);
  }

  /** Answers what the kernel still holds, gives the queues back and logs a summary. */
  async stop(): Promise<void> {
    const { logger } = this.#parts;
    this.#mover?.stop();
    await this.#uplinks?.stop();
    const hooks = this.#hooks.stop();
    const nums = [...(this.#queues ?? [])].map(({ num }) => num);
    const kernel = readQueueTable()?.filter(({ num }) => nums.includes(num));
    await Promise.all([this.#queues?.close(), hooks]);
    let total = 0;
    for (const { name, mark, weight, picks, share } of this.status()) {
      total += picks;
      logger.info({ wan: name, mark, weight, picks, share: Math.round(share * 10_000) / 10_000 }, 'summary');
    }
    const queue = this.#queues?.stats();
    const { threw, noCandidate } = this.#faults.counts;
    logger.info({ picks: total, strategyFaults: threw + noCandidate, queue, kernel }, 'stopped');
  }

  /** What the log says at the start. */
  description(): object[] {
    const { config } = this.#parts;
    return config.wans.map((wan) => ({
      name: wan.name,
      mark: wan.mark,
      ...(config.bare ? {} : { dev: wan.dev, tier: wan.tier }),
      weight: wan.weight,
      state: this.#selector.state(wan),
    }));
  }

  /** What `wanmark status` shows of the WANs. */
  status(): WanStatus[] {
    const { config, connections } = this.#parts;
    return withShares(
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
    );
  }

  /** Empty without WANs. */
  queueStatuses(): QueueStatus[] {
    return queueStatuses(this.#queues ?? [], this.#parts.config.queueLength);
  }

  faults(): FaultCounts {
    return this.#faults.counts;
  }

  /** As of a queue, of all of them. */
  async ping(): Promise<void> {
    await this.#queues?.ping();
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
      setDown: (down) => this.#parts.keeper?.setDown(down) ?? Promise.resolve(),
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
      onMoved: () => this.#parts.keeper?.follow(),
    });
    this.#failover = failover;
    return uplinks;
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

  #weightStatus(wan: Wan): Pick<WanStatus, 'weight' | 'configuredWeight'> {
    const weight = this.#selector.weight(wan);
    return weight === wan.weight ? { weight } : { weight, configuredWeight: wan.weight };
  }

  #late(lateMs: number): void {
    const { lateFlows } = this.#queues!.stats();
    this.#faults.late(lateMs, lateFlows - this.#lateFlows);
    this.#lateFlows = lateFlows;
  }
}
