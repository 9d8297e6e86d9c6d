import type { Change } from '../config/change.js';
import type { Config } from '../config/config.js';
import type { WanStatus } from '../control/status.js';
import { markMember } from '../core/bare-mark.js';
import type { Member } from '../core/member.js';
import type { Pool } from '../core/pool.js';
import type { NamedStrategy } from '../core/strategy.js';
import { type TargetId, targetId } from '../core/target.js';
import { wanMember } from '../core/wan.js';
import { readQueueTable } from '../queue/proc.js';
import { Balancer, type BalancerContext } from './balancer.js';
import { Failover } from './failover.js';
import { Hooks } from './hooks.js';
import { InboundWans } from './inbound-wans.js';
import { type MarkLogOptions, markLog } from './mark-log.js';
import { Mover } from './mover.js';
import type { RulesKeeper } from './rules-keeper.js';
import { Settings } from './settings.js';
import { uplinkStatus } from './uplink-status.js';
import { Uplinks } from './uplinks.js';

export interface WansParts extends BalancerContext {
  /** Its WANs or bare marks are some. */
  readonly config: Pick<Config, 'wans' | 'marks' | 'fields' | 'queues' | 'health' | 'hooks' | 'socket'>;
  readonly strategy: NamedStrategy;
  /** Undefined where the rules are the user's own. */
  readonly keeper: RulesKeeper | undefined;
  /** Undefined: decisions are not logged. */
  readonly markLog: MarkLogOptions | undefined;
}

/** The balancer of outgoing connections, and where they go by uplinks, the watch over these. */
export class Wans {
  readonly balancer: Balancer;
  readonly #parts: WansParts;
  readonly #pool: Pool;
  readonly #inbound: InboundWans;
  /** Undefined for bare marks, of which nobody knows where they lead. */
  readonly #uplinks: Uplinks | undefined;
  readonly #hooks: Hooks;
  readonly #mover: Mover;
  readonly #settings: Settings;
  /** When all that the WANs' changes of state entail is done. */
  #settled: Promise<unknown> = Promise.resolve();

  /** Binds the queues; from here on packets are answered. @throws QueueError */
  constructor(parts: WansParts) {
    this.#parts = parts;
    const { config, logger, states, keeper } = parts;
    const { wans, fields, health, hooks, socket } = config;
    this.#inbound = new InboundWans(wans);
    this.balancer = this.#openBalancer();
    this.#pool = this.balancer.pools[0]!;
    this.#mover = new Mover({ field: fields.wans, onUp: health.onUp, balancer: this.balancer, logger });
    this.#hooks = new Hooks({ wans, hooks, socket, logger, states });
    this.#uplinks = wans.length > 0 ? this.#watchUplinks() : undefined;
    this.#settings = new Settings({
      members: this.#pool.members,
      states,
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

  /** As {@link Uplinks.unusable}. */
  unusable(ids: ReadonlySet<TargetId>, asOf: number): void {
    this.#uplinks?.unusable(ids, asOf);
  }

  /** As {@link Settings.set}. */
  set(change: Change): Promise<string> {
    return this.#settings.set(change);
  }

  /** Ends the watch and the balancer, and says so. */
  async stop(): Promise<void> {
    const { logger } = this.#parts;
    this.#mover.stop();
    await this.#uplinks?.stop();
    const hooks = this.#hooks.stop();
    const nums = this.balancer.queueStatuses().map(({ num }) => num);
    const kernel = readQueueTable()?.filter(({ num }) => nums.includes(num));
    const [queue] = await Promise.all([this.balancer.stop(), hooks]);
    const picks = this.#pool.members.reduce((sum, member) => sum + member.picks, 0);
    const { threw, noCandidate } = this.balancer.faults();
    logger.info({ picks, strategyFaults: threw + noCandidate, queue, kernel }, 'stopped');
  }

  /** What the log says at the start. */
  description(): object[] {
    const { states } = this.#parts;
    return this.#pool.members.map(({ target, configured }) => {
      const { name, mark, dev, tier, weight } = configured;
      const uplink = dev === undefined ? {} : { dev, tier };
      return { name, mark, ...uplink, weight, state: states.standing(target, weight) };
    });
  }

  /** What `wanmark status` shows of the WANs. */
  status(): WanStatus[] {
    const lines = this.balancer.status()[0]!;
    return this.#pool.members.map(({ target, configured }, i): WanStatus => {
      const { states } = this.#parts;
      const line = lines[i]!;
      const warmUp = Math.min(
        ...target.families.map((family) => states.warmUp(targetId(target.name, family))),
      );
      return {
        ...line,
        dev: configured.dev ?? '',
        ...(line.weight === configured.weight ? {} : { configuredWeight: configured.weight }),
        ...(states.isByHand(target.name) ? { setState: 'down' as const } : {}),
        ...uplinkStatus(target, states),
        warmUp: warmUp === 1 ? null : warmUp,
      };
    });
  }

  #openBalancer(): Balancer {
    const { config, strategy, markLog: options } = this.#parts;
    const label = (_pool: Pool, { configured }: Member) => ({ wan: configured.name });
    const log = options && markLog(label, options);
    return new Balancer({
      ...this.#parts,
      field: config.fields.wans,
      pools: [
        { name: 'wans', strategy, members: [...config.wans.map(wanMember), ...config.marks.map(markMember)] },
      ],
      find: ([pool]) => {
        return () => pool;
      },
      inbound: this.#inbound,
      label,
      onDecision: (pool, member, flow, packet) => {
        this.#uplinks?.decided(member.target.name, flow);
        log?.(pool, member, flow, packet);
      },
      queues: {
        num: config.queues.num,
        count: config.queues.count,
        deadlineMs: config.queues.deadlineMs,
        maxLen: config.queues.length,
      },
    });
  }

  /** From here on what goes down is no candidate, also of the kernel; and what is down already is so at once. */
  #watchUplinks(): Uplinks {
    const { config, states, logger, keeper } = this.#parts;
    const { wans, health } = config;
    const field = config.fields.wans;
    const failover = new Failover({
      wans,
      field,
      onDown: health.onDown,
      states,
      balancer: this.balancer,
      logger,
      mover: this.#mover,
      follow: () => keeper?.setStates(states) ?? Promise.resolve(),
    });
    return new Uplinks({
      wans,
      field,
      checks: health.checks,
      states,
      logger,
      upAfterMs: health.upAfterMs,
      onChange: (change) => {
        const acted = failover.changed(change);
        // Without the values, or each would hold all of those before.
        this.#settled = Promise.all([this.#settled, acted]).then(() => undefined);
        this.#hooks.changed(change, acted);
      },
      onLinks: (links) => this.#inbound.update(links),
      onMoved: () => keeper?.follow(),
    });
  }
}
