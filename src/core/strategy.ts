import type { Candidate } from './candidate.js';
import type { Connections } from './counts.js';
import type { Flow } from './flow.js';
import type { HashField } from './flow-hash.js';

/**
 * Chooses the target for a new connection: a WAN, a bare mark or a backend. A strategy need not tell these apart.
 *
 * It is asked once for each new connection; later packets, replies and, for WANs, inbound connections never reach it,
 * so its state advances by exactly one for each connection.
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
  /** Set where `pick` never reads its flow, so that choices can be made before there are packets for them. */
  readonly sequence?: SequenceForm;
  /** Set where `pick` goes by a hash of the flow alone, so that all its answers can be written down beforehand. */
  readonly table?: TableForm;
}

/**
 * The form of a strategy whose choices do not depend on packets: the next ones can be said beforehand, by asking `pick`.
 * Some of those may be taken back, when something changes before there were connections for them.
 */
export interface SequenceForm {
  /**
   * All the numbers by which a strategy remembers what it chose among `wans`: turns, credits; none where it remembers
   * nothing. They are the numbers themselves, not a copy. A choice is taken back by subtracting from each what that
   * choice added to it, so that each must count what happened: a turn goes up for ever, and does not begin again at 0.
   */
  turns(wans: readonly Candidate[]): number[];
  /**
   * After how many choices they begin anew, in the same order, whatever happens meanwhile; undefined where they depend on
   * anything else than those before, such as counts or chance.
   */
  period?(wans: readonly Candidate[]): number;
}

/** The form of a strategy that remembers nothing of what it chose. */
export const NO_TURNS: SequenceForm = { turns: () => [] };

/** The form of a strategy that goes by a hash of the flow: see `byPlace`, which makes `pick` of it. */
export interface TableForm {
  /** The parts of a flow that are hashed; one or more. */
  readonly fields: readonly HashField[];
  /**
   * The choice for a place of the table, whatever came before. When a candidate goes, only its own places should change.
   * @param place 0 to `places` - 1, each for as many hashes as another
   * @returns one of `wans`
   */
  at(place: number, wans: readonly Candidate[], places: number): Candidate;
}

/** The context that a strategy is made with; tests can pass their own. */
export interface StrategyContext {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Milliseconds from an arbitrary point, never going back. */
  readonly now: () => number;
  /**
   * A candidate's live connections: those that conntrack holds with its mark, no matter who chose it, plus those
   * decided since. A decision of this strategy counts before it is asked again. A call costs a few nanoseconds.
   * Counting begins before the first decision only for a factory that says `needs: ['connections']`.
   */
  readonly connections: Connections;
}

/** A service that a strategy's factory can ask for. Each costs something, so it is provided only on request. */
export const NEEDS = ['connections'] as const;
/** What a strategy may need of the daemon. */
export type Need = (typeof NEEDS)[number];

/** A strategy file's default export. */
export interface StrategyFactory {
  (context: StrategyContext): Strategy;
  /** The services that must be ready before the first decision; none by default. */
  readonly needs?: readonly Need[];
  /** Set where it makes no difference which weight above 0 a candidate has, so that a user can be told. */
  readonly ignoresWeights?: true;
  /**
   * The parts of a packet by which it always gets the same one of the same candidates, whatever came before; none where
   * the candidates alone say it. Undefined where an answer depends on the moment.
   */
  readonly fixedBy?: readonly (keyof Flow)[];
}

/** A factory, what it needs and what else is to be known of it. */
export function defineStrategy(
  needs: readonly Need[],
  create: (context: StrategyContext) => Strategy,
  traits: Pick<StrategyFactory, 'ignoresWeights' | 'fixedBy'> = {},
): StrategyFactory {
  return Object.assign(create, { needs, ...traits });
}

/** A strategy ready to be asked, and its name in the log. */
export interface NamedStrategy {
  readonly name: string;
  readonly strategy: Strategy;
  /** See {@link StrategyFactory.ignoresWeights}. */
  readonly ignoresWeights?: true;
}

/**
 * State for each set of candidates. When a candidate goes down, the remaining ones are another set with a fresh start;
 * when it comes back, the old set continues where it was. IPv6 with other candidates does not disturb IPv4.
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
