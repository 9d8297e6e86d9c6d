import type { Connections } from './counts.js';
import type { Flow } from './flow.js';
import type { Wan } from './wan.js';

/**
 * Chooses the WAN of a new connection.
 *
 * It is asked once for each new outgoing connection; later packets, replies and inbound connections never reach
 * it, so its state advances by exactly one for each connection.
 */
export interface Strategy {
  /**
   * @param flow the connection's first packet; read what you need, do not keep it
   * @param wans the candidates, never empty: those of the lowest tier that are up, have a weight above 0 and
   *   carry the packet's address family, in the order of the configuration. The same set is always the same
   *   array, so it can key state (see {@link PerSet}).
   * @returns one of `wans`. Anything else, or a throw, leaves the connection to the kernel's own weighted choice.
   */
  pick(flow: Flow, wans: readonly Wan[]): Wan;
}

/** What a strategy is made with; pass your own in tests. */
export interface StrategyContext {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Milliseconds from an arbitrary point, never going back. */
  readonly now: () => number;
  /**
   * Live connections of a WAN: what conntrack holds with its mark, whoever chose it, plus what was decided since;
   * a decision of this strategy counts before it is asked again. Costs a few nanoseconds. Take it from the context
   * in the factory, not in `pick`: that is how it is known that somebody has to count.
   */
  readonly connections: Connections;
}

/** A strategy file's default export. */
export type StrategyFactory = (context: StrategyContext) => Strategy;

/**
 * State for each set of candidates. A WAN that goes down makes another set, with a fresh start; when it comes
 * back, the old set goes on where it was, and IPv6 with other candidates does not disturb IPv4.
 */
export class PerSet<State> {
  readonly #states = new WeakMap<readonly Wan[], State>();
  readonly #create: (wans: readonly Wan[]) => State;

  constructor(create: (wans: readonly Wan[]) => State) {
    this.#create = create;
  }

  get(wans: readonly Wan[]): State {
    let state = this.#states.get(wans);
    if (state === undefined) {
      state = this.#create(wans);
      this.#states.set(wans, state);
    }
    return state;
  }
}
