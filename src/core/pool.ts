import type { Candidate } from './candidate.js';
import type { Family } from './family.js';
import type { Flow } from './flow.js';
import { Member, type MemberParts } from './member.js';
import type { Pairs } from './pairs.js';
import type { States } from './states.js';
import type { NamedStrategy } from './strategy.js';

/** Why a strategy's answer was not used. */
export type Fault = 'threw' | 'returned no candidate';

export interface PoolParts<Seen extends Candidate = Candidate> {
  /** The name of the pool's user, such as a service; unique in its balancer. */
  readonly name: string;
  /** The members, in the order of the configuration. */
  readonly members: readonly MemberParts<Seen>[];
  readonly strategy: NamedStrategy;
  readonly states: States;
  /** Whether it takes no new connections while all its members are down by hand; otherwise the kernel chooses then. */
  readonly closes?: boolean;
  /** Where a host's connections of both families go by one member; by default each connection is chosen for alone. */
  readonly pairs?: Pairs | undefined;
  /** @param given what the strategy threw or returned */
  readonly onFault: (fault: Fault, given: unknown) => void;
}

/**
 * A set of candidates with their members in the same order. Equal sets share one array, so strategies can key state by
 * it.
 */
interface Candidates<Seen extends Candidate> {
  readonly list: readonly Seen[];
  readonly members: readonly Member<Seen>[];
}

/**
 * Members, and the strategy that chooses among them.
 *
 * A connection's candidates are the members that take new connections, carry its address family and have a weight above
 * 0; of these, those that are not suspected, unless all are; of these, the members of the lowest tier. They are computed
 * once for each version of the states, not for each packet.
 */
export class Pool<Seen extends Candidate = Candidate> {
  readonly name: string;
  readonly members: readonly Member<Seen>[];
  readonly strategy: NamedStrategy;
  readonly #states: States;
  readonly #closes: boolean;
  readonly #onFault: PoolParts['onFault'];
  readonly #pairs: Pairs | undefined;
  /** Candidate sets, keyed by names and weights. */
  readonly #sets = new Map<string, Candidates<Seen>>();
  #version = Number.NaN;
  #four: Candidates<Seen>;
  #six: Candidates<Seen>;

  constructor({ name, members, strategy, states, closes = false, pairs, onFault }: PoolParts<Seen>) {
    this.name = name;
    this.members = members.map((parts) => new Member(parts));
    this.strategy = strategy;
    this.#states = states;
    this.#closes = closes;
    this.#onFault = onFault;
    this.#pairs = pairs;
    this.#four = this.#oneOf([]);
    this.#six = this.#four;
  }

  /**
   * Chooses the member for a new connection; undefined when no member can carry it or the strategy failed.
   * @param tried the names of members that did not answer this connection before; they are left out where another
   *   member is left, if need be of a higher tier
   */
  select(flow: Flow, tried?: ReadonlySet<string>): Member<Seen> | undefined {
    const { family } = flow;
    if (family !== 4 && family !== 6) return undefined;
    const usual = this.#candidates(family);
    const candidates = tried === undefined ? usual : this.#find(family, tried);
    if (candidates.list.length === 0) return undefined;
    const pairs = flow.mac === 0 ? undefined : this.#pairs;
    const member =
      pairs === undefined
        ? this.#choose(flow, candidates, family)
        : this.#choosePaired(flow, candidates, family, pairs);
    if (member !== undefined) member.picks++;
    return member;
  }

  /** Whether somebody wants it to take no new connections at all. */
  get isClosed(): boolean {
    return this.#closes && this.members.every(({ target }) => this.#states.isByHand(target.name));
  }

  #choose(flow: Flow, candidates: Candidates<Seen>, family: Family): Member<Seen> | undefined {
    const member = this.#ask(flow, candidates);
    if (member === undefined || !this.#states.isWarming(family)) return member;
    return this.#thin(member, flow, candidates, family);
  }

  /**
   * Gives a host the member that it has, while that can carry the connection. Otherwise one is chosen that can carry both
   * families, where there is one, and is the host's from now on.
   */
  #choosePaired(
    flow: Flow,
    candidates: Candidates<Seen>,
    family: Family,
    pairs: Pairs,
  ): Member<Seen> | undefined {
    const name = pairs.of(flow.mac);
    const kept = candidates.members.find(({ target }) => target.name === name);
    const others = this.#candidates(family === 4 ? 6 : 4).members;
    const both = candidates.members.filter((member) => others.includes(member));
    const able = both.length === 0 ? candidates : this.#oneOf(both);
    const member = kept ?? this.#choose(flow, able, family);
    if (member !== undefined && others.includes(member)) pairs.note(flow.mac, member.target.name);
    return member;
  }

  /** The members that new connections of a family may be given to. */
  candidates(family: Family): readonly Member<Seen>[] {
    return this.#candidates(family).members;
  }

  /** Whether a connection that must keep off `name` could be given to another member. */
  hasOther(name: string, family: Family): boolean {
    this.#candidates(family);
    return this.#find(family, new Set([name])).members.some(({ target }) => target.name !== name);
  }

  /**
   * Gives a warm member the connection where the picked one is warming up and declines it; without a warm member the
   * picked one takes it.
   */
  #thin(
    member: Member<Seen>,
    flow: Flow,
    { members }: Candidates<Seen>,
    family: Family,
  ): Member<Seen> | undefined {
    const warm = members.filter((one) => this.#states.warmUp(one.id(family)) === 1);
    if (warm.length === 0 || this.#states.takesPick(member.id(family))) return member;
    return this.#ask(flow, this.#oneOf(warm));
  }

  #ask(flow: Flow, { list, members }: Candidates<Seen>): Member<Seen> | undefined {
    let chosen: Candidate;
    try {
      chosen = this.strategy.strategy.pick(flow, list);
    } catch (error) {
      this.#onFault('threw', error);
      return undefined;
    }
    // A user's strategy may return anything; only a member of the list counts.
    const at = list.indexOf(chosen as Seen);
    if (at >= 0) return members[at];
    this.#onFault('returned no candidate', chosen);
    return undefined;
  }

  #candidates(family: Family): Candidates<Seen> {
    if (this.#version !== this.#states.version) this.#follow();
    return family === 6 ? this.#six : this.#four;
  }

  #follow(): void {
    this.#version = this.#states.version;
    for (const member of this.members) member.weigh(this.#states);
    // Without a limit, each of many weight changes would leave its sets behind.
    for (const [key, { list, members }] of this.#sets) {
      if (members.some(({ candidate }, i) => candidate !== list[i])) this.#sets.delete(key);
    }
    this.#four = this.#find(4);
    this.#six = this.#find(6);
  }

  #find(family: Family, tried?: ReadonlySet<string>): Candidates<Seen> {
    const takes = this.members.filter((member) => member.isAble(family, this.#states));
    const trusted = preferred(takes, (member) => this.#states.suspicion(member.id(family)) === undefined);
    const able = preferred(trusted, ({ target }) => tried?.has(target.name) !== true);
    const tier = Math.min(...able.map(({ candidate }) => candidate.tier));
    return this.#oneOf(able.filter(({ candidate }) => candidate.tier === tier));
  }

  #oneOf(members: readonly Member<Seen>[]): Candidates<Seen> {
    const list = members.map(({ candidate }) => candidate);
    const key = members.map(({ target }, i) => `${target.name}=${list[i]!.weight}`).join();
    let known = this.#sets.get(key);
    if (known === undefined) {
      known = { list, members };
      this.#sets.set(key, known);
    }
    return known;
  }
}

/** The items that fit, or all items where none fits. */
function preferred<Item>(all: readonly Item[], fits: (item: Item) => boolean): readonly Item[] {
  const found = all.filter(fits);
  return found.length > 0 ? found : all;
}
