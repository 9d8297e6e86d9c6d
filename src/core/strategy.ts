import type { Candidate } from './candidate.js';
import type { Connections } from './counts.js';
import type { Flow } from './flow.js';

/**
 * Chooses who is given a new connection: a WAN, a bare mark or a backend, which are told apart by nothing here.
 *
 * It is asked once for each new connection; later packets, replies and, for WANs, inbound connections never reach it, so
 * its state advances by exactly one for each connection.
 */
export interface Strategy {
  /**
   * @param flow the connection's first packet; read what you need, do not keep it
   * @param wans the candidates, never empty: those of the lowest tier that are up, have a weight above 0 and
   *   carry the packet's address family, in the order of the configuration. The same set is always the same
   *   array, so it can key state (see {@link PerSet}).
   * @returns one of `wans`. Anything else, or a throw, leaves the connection to the kernel's own weighted choice.
   */
  pick(flow: Flow, wans: readonly Candidate[]): Candidate;
}

/** What a strategy is made with; pass your own in tests. */
export interface StrategyContext {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Milliseconds from an arbitrary point, never going back. */
  readonly now: () => number;
  /**
   * Live connections of a candidate: what conntrack holds with its mark, whoever chose it, plus what was decided since;
   * a decision of this strategy counts before it is asked again. Costs a few nanoseconds. Counting begins before the
   * first decision only for a factory that says `needs: ['connections']`.
   */
  readonly connections: Connections;
}

/** What a strategy's factory can need; it costs something, so nobody has it unless it is needed. */
export const NEEDS = ['connections'] as const;
export type Need = (typeof NEEDS)[number];

/** A strategy file's default export. */
export interface StrategyFactory {
  (context: StrategyContext): Strategy;
  /** What has to be there before the first decision; nothing by default. */
  readonly needs?: readonly Need[];
}

/** A factory with what it needs. */
export function defineStrategy(
  needs: readonly Need[],
  create: (context: StrategyContext) => Strategy,
): StrategyFactory {
  return Object.assign(create, { needs });
}

/** A strategy ready to be asked, and the name the log gives it. */
export interface NamedStrategy {
  readonly name: string;
  readonly strategy: Strategy;
}

/**
 * State for each set of candidates. One that goes down makes another set, with a fresh start; when it comes
 * back, the old set goes on where it was, and IPv6 with other candidates does not disturb IPv4.
 */
export class PerSet<State> {
  readonly #states = new WeakMap<readonly Candidate[], State>();
  readonly #create: (wans: readonly Candidate[]) => State;

  constructor(create: (wans: readonly Candidate[]) => State) {
    this.#create = create;
  }

  get(wans: readonly Candidate[]): State {
    let state = this.#states.get(wans);
    if (state === undefined) {
      state = this.#create(wans);
      this.#states.set(wans, state);
    }
    return state;
  }
}
