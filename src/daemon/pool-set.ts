import type { Logger } from 'pino';
import type { FaultCounts, MemberStatus } from '../control/status.js';
import type { Family } from '../core/family.js';
import type { Member } from '../core/member.js';
import { Pool, type PoolParts } from '../core/pool.js';
import type { States } from '../core/states.js';
import type { ConnectionSource } from './connections.js';
import { withShares } from './shares.js';
import { StrategyFaults, sumFaults } from './strategy-faults.js';

/**
 * Names the pool and member that a log line is about, by the fields that users know: `wan`, or `service` and `backend`.
 */
export type Label = (pool: Pool, member: Member) => object;

/** The pools of a configuration. */
export interface PoolsShape {
  readonly pools: readonly Omit<PoolParts, 'states' | 'onFault'>[];
  /** The log field that names the pool in lines about its strategy; undefined where there is only one pool. */
  readonly poolField?: string;
}

export interface PoolSetParts {
  readonly logger: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly states: States;
  /** The source of live connections of the members' marks; undefined where they cannot be counted. */
  readonly connections: ConnectionSource | undefined;
}

/** The pools of a balancer, whatever configuration is in force, with what is known of their members and strategies. */
export class PoolSet {
  readonly #parts: PoolSetParts;
  #pools: readonly Pool[] = [];
  /** By the name of the pool. */
  #faults: ReadonlyMap<string, StrategyFaults> = new Map();
  /**
   * Who is told that a decision was late: the only pool's faults; with several pools an object for all, since it cannot
   * be told which was late.
   */
  #lateness: StrategyFaults | undefined;
  /** What strategies failed that nobody asks any more. */
  #formerFaults: FaultCounts = sumFaults([]);

  constructor(parts: PoolSetParts) {
    this.#parts = parts;
  }

  /** The pools of the configuration in force. */
  get all(): readonly Pool[] {
    return this.#pools;
  }

  /** Who is told that a decision was late. */
  get lateness(): StrategyFaults {
    return this.#lateness!;
  }

  /**
   * Takes the pools of a configuration. A pool that is the same stays as it is, and a target keeps its number of decisions in
   * a pool of the same name.
   */
  take(shape: PoolsShape): void {
    const { logger, now, states } = this.#parts;
    const { poolField } = shape;
    const single = poolField === undefined;
    this.#formerFaults = this.faults();
    this.#faults = new Map(
      shape.pools.map(({ name, strategy }) => {
        const own = single ? logger : logger.child({ [poolField]: name });
        return [name, new StrategyFaults(own, strategy.name, now)];
      }),
    );
    const before = this.#pools;
    this.#pools = shape.pools.map((parts) => {
      const had = before.find(({ name }) => name === parts.name);
      const onFault: PoolParts['onFault'] = (...fault) => this.#faults.get(parts.name)?.report(...fault);
      return renewed(had, { ...parts, states, onFault });
    });
    this.#lateness = single
      ? this.#faults.get(this.#pools[0]!.name)!
      : new StrategyFaults(logger, `a ${poolField}'s`, now);
  }

  /** The names of the targets that new connections of a family may be given to. */
  candidates(family: Family): ReadonlySet<string> {
    return new Set(this.#pools.flatMap((pool) => pool.candidates(family).map(({ target }) => target.name)));
  }

  /** The status of each pool's members, in their order, as `wanmark status` shows it. */
  status(): readonly (readonly MemberStatus[])[] {
    return this.#pools.map((pool) =>
      withShares(pool.members.map((member) => this.#memberStatus(member, pool))),
    );
  }

  /** The faults of all strategies. */
  faults(): FaultCounts {
    const all = new Set([
      ...this.#faults.values(),
      ...(this.#lateness === undefined ? [] : [this.#lateness]),
    ]);
    return sumFaults([this.#formerFaults, ...[...all].map(({ counts }) => counts)]);
  }

  /** Logs a summary of each member. */
  summarize(label: Label): void {
    const lines = this.status();
    for (const [i, pool] of this.#pools.entries()) {
      for (const [j, member] of pool.members.entries()) {
        const { mark, weight, picks, share } = lines[i]![j]!;
        const rounded = Math.round(share * 10_000) / 10_000;
        this.#parts.logger.info({ ...label(pool, member), mark, weight, picks, share: rounded }, 'summary');
      }
    }
  }

  #memberStatus(member: Member, { stickiness }: Pool): Omit<MemberStatus, 'share' | 'target'> {
    const { target, configured, picks } = member;
    const { states, connections } = this.#parts;
    const { name, mark, weight, tier } = configured;
    const clients = stickiness?.clients(name);
    return {
      name,
      mark,
      ...(clients !== undefined && { clients }),
      weight: member.weight(states),
      tier,
      state: states.standing(target, weight),
      connections: connections?.count(mark) ?? null,
      picks,
    };
  }
}

/** A pool in the place of one that there was: that itself where it is the same. */
function renewed(had: Pool | undefined, parts: PoolParts): Pool {
  if (had?.is(parts)) return had;
  const pool = new Pool(parts);
  for (const member of pool.members)
    member.picks = had?.members.find(({ target }) => target.name === member.target.name)?.picks ?? 0;
  return pool;
}
