import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import type { NamedStrategy } from '../config/strategy.js';
import { hex } from '../core/mark.js';
import { Selector } from '../core/selector.js';
import type { Wan } from '../core/wan.js';
import { SystemError } from '../errors.js';
import { readQueueTable } from '../queue/proc.js';
import { Queue, type QueueError } from '../queue/queue.js';
import type { Device } from '../system/devices.js';
import type { ConnectionSource } from './connections.js';
import { Control } from './control.js';
import { Decider } from './decider.js';
import { DeviceNames } from './device-names.js';
import { markLog } from './mark-log.js';
import { RateLimit } from './rate-limit.js';
import { RulesKeeper } from './rules-keeper.js';
import { type Status, withShares } from './status.js';

const FAULT_LOG_MS = 1000;

/** What a daemon is made of; the parts come in ready, so a test can hand it a logger and a strategy of its own. */
export interface DaemonParts {
  readonly config: Config;
  readonly strategy: NamedStrategy;
  readonly devices: readonly Device[];
  readonly logger: Logger;
  readonly now: () => number;
  /** Where live connections come from; undefined where nobody can count. */
  readonly connections: ConnectionSource | undefined;
  /** Called once when the queue is lost and the daemon can decide nothing any more. */
  readonly onLost: (error: QueueError) => void;
}

/** The running selector: one queue, one strategy. */
export class Daemon {
  readonly #parts: DaemonParts;
  readonly #selector: Selector;
  readonly #decider: Decider;
  readonly #queue: Queue;
  readonly #keeper: RulesKeeper | undefined;
  readonly #startedAt: number;
  #control: Control | undefined;
  #faults = 0;

  /** Binds the queue; from here on packets are answered. @throws QueueError */
  static async start(parts: DaemonParts): Promise<Daemon> {
    const daemon = new Daemon(parts);
    try {
      daemon.#control = await Control.open(parts.config.socket, () => daemon.status());
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // Connections matter more than the view on them.
      parts.logger.warn(`wanmark status will not work: ${error.message}`);
    }
    parts.logger.info(daemon.#description(), 'started');
    return daemon;
  }

  private constructor(parts: DaemonParts) {
    const { config, strategy, devices, logger, now } = parts;
    this.#parts = parts;
    const limit = new RateLimit(FAULT_LOG_MS, now);
    this.#selector = new Selector(config.wans, strategy.strategy, (fault, error) => {
      this.#faults++;
      limit.run((held) => {
        const detail = error instanceof Error ? error.message : typeof error;
        logger.error({ strategy: strategy.name, detail, held }, `strategy ${fault}; the kernel chooses`);
      });
    });
    const listener = config.logMark
      ? markLog(logger, strategy.name, new DeviceNames(), config.logPacket)
      : undefined;
    const inbound = inboundWans(config.wans, devices);
    this.#decider = new Decider(this.#selector, config.field, inbound, (wan, flow, packet) => {
      parts.connections?.decided(wan.mark);
      listener?.(wan, flow, packet);
    });
    this.#queue = Queue.open(
      { num: config.queueNum, mask: config.field.mask, deadlineMs: config.deadlineMs },
      this.#decider.decide,
      parts.onLost,
    );
    this.#keeper = config.bare ? undefined : new RulesKeeper(logger);
    this.#startedAt = now();
  }

  /** Answers what the kernel still holds, gives the queue back and logs a summary. */
  async stop(): Promise<void> {
    const { logger, config } = this.#parts;
    this.#control?.close();
    this.#keeper?.stop();
    const kernel = readQueueTable()?.find(({ num }) => num === config.queueNum);
    await this.#queue.close();
    let total = 0;
    for (const { name, mark, weight, picks, share } of this.status().wans) {
      total += picks;
      logger.info({ wan: name, mark, weight, picks, share: Math.round(share * 10_000) / 10_000 }, 'summary');
    }
    const queue = this.#queue.stats();
    logger.info({ picks: total, strategyFaults: this.#faults, queue, kernel }, 'stopped');
  }

  /** What `wanmark status` shows. */
  status(): Status {
    const { config, strategy, connections, now } = this.#parts;
    const { verdicts, kernelDecided } = this.#queue.stats();
    const kernel = readQueueTable()?.find(({ num }) => num === config.queueNum);
    return {
      pid: process.pid,
      uptimeSeconds: Math.round((now() - this.#startedAt) / 100) / 10,
      strategy: strategy.name,
      queue: {
        num: config.queueNum,
        verdicts,
        waiting: kernel?.waiting ?? null,
        dropped: kernel?.dropped ?? null,
        userDropped: kernel?.userDropped ?? null,
        kernelDecided,
      },
      wans: withShares(
        config.wans.map((wan) => ({
          name: wan.name,
          mark: wan.mark,
          dev: wan.dev,
          weight: wan.weight,
          tier: wan.tier,
          state: this.#selector.state(wan),
          connections: connections?.count(wan.mark) ?? null,
          picks: this.#decider.picks(wan),
        })),
      ),
    };
  }

  #description(): object {
    const { config, strategy } = this.#parts;
    return {
      strategy: strategy.name,
      queue: config.queueNum,
      mask: hex(config.field.mask),
      wans: config.wans.map((wan) => ({
        name: wan.name,
        mark: wan.mark,
        ...(config.bare ? {} : { dev: wan.dev, tier: wan.tier }),
        weight: wan.weight,
        state: this.#selector.state(wan),
      })),
    };
  }
}

/** Interface index to WAN; a device that several WANs share says nothing about which one it was. */
function inboundWans(wans: readonly Wan[], devices: readonly Device[]): ReadonlyMap<number, Wan> {
  const inbound = new Map<number, Wan>();
  for (const { name, ifindex } of devices) {
    const users = wans.filter((wan) => wan.dev === name);
    if (users.length === 1) inbound.set(ifindex, users[0]!);
  }
  return inbound;
}
