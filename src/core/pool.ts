import type { Candidate } from './candidate.js';
import type { Family } from './family.js';
import type { Fault } from './fault.js';
import type { Flow } from './flow.js';
import { Member, type MemberParts } from './member.js';
import type { Pairs } from './pairs.js';
import { hasSequence, type SequenceStrategy } from './sequence.js';
import type { States } from './states.js';
import { type Stickiness, stickyKey } from './stickiness.js';
import type { NamedStrategy, TableForm } from './strategy.js';

export type { Fault };

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
  /** Keeps those who come again on the member that they had; undefined: nobody is kept. */
  readonly stickiness?: Stickiness | undefined;
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

/** Candidates for whom choices can be made beforehand, in one of the two forms of strategies. */
export type Ahead<Seen extends Candidate = Candidate> = Candidates<Seen> &
  ({ readonly sequence: SequenceStrategy } | { readonly table: TableForm });

/**
 * Members, and the strategy that chooses among them, or keeps those who come again where they were.
 *
 * A connection's candidates are the members that take new connections, carry its address family and have a weight above
 * 0; of these, those that are not suspected, unless all are; of these, the members of the lowest tier. They are computed
 * once for each version of the states, not for each packet.
 */
export class Pool<Seen extends Candidate = Candidate> {
  readonly name: string;
  readonly members: readonly Member<Seen>[];
  readonly strategy: NamedStrategy;
  readonly stickiness: Stickiness | undefined;
  readonly #states: States;
  readonly #closes: boolean;
  readonly #onFault: PoolParts['onFault'];
  readonly #pairs: Pairs | undefined;
  /** Candidate sets, keyed by names and weights. */
  readonly #sets = new Map<string, Candidates<Seen>>();
  #version = Number.NaN;
  #able: Readonly<Record<Family, readonly Member<Seen>[]>> = { 4: [], 6: [] };
  /** The answers of {@link Pool.hasOther} by name. */
  readonly #others: Readonly<Record<Family, Map<string, boolean>>> = { 4: new Map(), 6: new Map() };
  #four: Candidates<Seen>;
  #six: Candidates<Seen>;

  constructor(parts: PoolParts<Seen>) {
    const { name, members, strategy, states, closes = false, pairs, stickiness, onFault } = parts;
    this.name = name;
    this.members = members.map((parts) => new Member(parts));
    this.strategy = strategy;
    this.stickiness = stickiness;
    this.#states = states;
    this.#closes = closes;
    this.#onFault = onFault;
    this.#pairs = pairs;
    this.#four = this.#oneOf([]);
    this.#six = this.#four;
  }

  /** Whether a pool made of these parts would choose as this one does, apart from what this one has learned. */
  is({ name, members, strategy, closes = false, pairs, stickiness }: PoolParts<Seen>): boolean {
    return (
      name === this.name &&
      strategy === this.strategy &&
      closes === this.#closes &&
      pairs === this.#pairs &&
      stickiness === this.stickiness &&
      members.length === this.members.length &&
      members.every((parts, i) => this.members[i]!.is(parts))
    );
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
    const member =
      this.stickiness === undefined
        ? this.#pick(flow, candidates, family)
        : this.#keep(this.stickiness, flow, candidates, family, tried);
    if (member !== undefined) member.picks++;
    return member;
  }

  /** Whether somebody wants it to take no new connections at all. */
  get isClosed(): boolean {
    return this.#closes && this.members.every(({ target }) => this.#states.isByHand(target.name));
  }

  /** Chooses for a connection of whom nothing is kept. */
  #pick(flow: Flow, candidates: Candidates<Seen>, family: Family): Member<Seen> | undefined {
    const pairs = flow.mac === 0 ? undefined : this.#pairs;
    return pairs === undefined
      ? this.#choose(flow, candidates, family)
      : this.#choosePaired(flow, candidates, family, pairs);
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
    if (member !== undefined) this.#notePair(flow, member, family);
    return member;
  }

  /** Notes a host's member where that can carry its other family, too. */
  #notePair(flow: Flow, member: Member<Seen>, family: Family): void {
    if (flow.mac === 0 || !this.#candidates(family === 4 ? 6 : 4).members.includes(member)) return;
    this.#pairs?.note(flow.mac, member.target.name);
  }

  /**
   * What can be chosen beforehand for a family at the moment; undefined where each connection has to be asked for, since
   * it matters whose it is, a member is warming up, or the strategy has no form for it.
   */
  ahead(family: Family): Ahead<Seen> | undefined {
    return this.#states.isWarming(family) ? undefined : this.aheadOfWarmth(family);
  }

  /** The same without regard to members that warm up, each of which is to get {@link Pool.warmth} of what is chosen for it. */
  aheadOfWarmth(family: Family): Ahead<Seen> | undefined {
    if (this.stickiness !== undefined || this.#pairs !== undefined) return undefined;
    const { list, members } = this.#candidates(family);
    if (list.length === 0) return undefined;
    const { strategy } = this.strategy;
    if (strategy.table !== undefined) return { list, members, table: strategy.table };
    if (hasSequence(strategy)) return { list, members, sequence: strategy };
    return undefined;
  }

  /** The part of its share that a member gets: 0.1 to below 1 while it warms up, 1 is all of it. */
  warmth(member: Member<Seen>, family: Family): number {
    return this.#states.warmUp(member.id(family));
  }

  /** Whether a member of a family is warming up; it stops without a change of the states. */
  isWarming(family: Family): boolean {
    return this.#states.isWarming(family);
  }

  /** Tells of a strategy's fault that showed when it was asked beforehand. */
  readonly fault = (fault: Fault, given: unknown): void => this.#onFault(fault, given);

  /** The members that new connections of a family may be given to. */
  candidates(family: Family): readonly Member<Seen>[] {
    return this.#candidates(family).members;
  }

  /**
   * Whether a connection that must keep off `name` could be given to another member. Asked at each decision, so it is
   * found out once for each version of the states.
   */
  hasOther(name: string, family: Family): boolean {
    this.#candidates(family);
    const known = this.#others[family];
    let has = known.get(name);
    if (has === undefined) {
      has = this.#find(family, new Set([name])).members.some(({ target }) => target.name !== name);
      known.set(name, has);
    }
    return has;
  }

  /** The strategy's choice; undefined when it failed. */
  #choose(flow: Flow, candidates: Candidates<Seen>, family: Family): Member<Seen> | undefined {
    const member = this.#ask(flow, candidates);
    if (member === undefined || !this.#states.isWarming(family)) return member;
    return this.#thin(member, flow, candidates, family);
  }

  /**
   * The member that the client had, as long as it can carry the connection, in whatever tier: a client that came to a
   * higher tier while the lower one was down stays there, since each move costs it its sessions. Otherwise the strategy
   * chooses, and the client keeps that.
   */
  #keep(
    stickiness: Stickiness,
    flow: Flow,
    candidates: Candidates<Seen>,
    family: Family,
    tried: ReadonlySet<string> | undefined,
  ): Member<Seen> | undefined {
    const table = stickiness.tables[family];
    const key = stickyKey(flow, stickiness.sticky.by);
    const had = table.get(key);
    const kept =
      had === undefined
        ? undefined
        : (tried === undefined ? this.#able[family] : this.#findAble(family, tried)).find(
            ({ target }) => target.name === had,
          );
    if (kept === undefined) {
      const chosen = this.#pick(flow, candidates, family);
      if (chosen !== undefined) table.keep(key, chosen.target.name);
      return chosen;
    }
    const member = this.#relieve(stickiness, kept, flow, candidates, family);
    table.keep(key, member.target.name);
    this.#notePair(flow, member, family);
    return member;
  }

  /** Gives a client of a full member one that has room, as fast as that may warm up; otherwise it stays. */
  #relieve(
    stickiness: Stickiness,
    kept: Member<Seen>,
    flow: Flow,
    { list, members }: Candidates<Seen>,
    family: Family,
  ): Member<Seen> {
    if (stickiness.sticky.bound === undefined) return kept;
    const sum = list.reduce((total, { weight }) => total + weight, 0);
    const isFull = (member: Member<Seen>, more = 0) => {
      const share = members.includes(member) ? member.candidate.weight / sum : 0;
      return stickiness.isFull(family, member.target.name, share, more);
    };
    if (!isFull(kept)) return kept;
    const roomy = members.filter((member) => member !== kept && !isFull(member, 1));
    const found = roomy.length === 0 ? undefined : this.#ask(flow, this.#oneOf(roomy));
    if (found === undefined || !this.#states.takesPick(found.id(family))) return kept;
    return found;
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
    for (const known of [this.#others[4], this.#others[6]]) known.clear();
    this.#able = { 4: this.#findAble(4), 6: this.#findAble(6) };
    this.#four = this.#find(4);
    this.#six = this.#find(6);
  }

  #find(family: Family, tried?: ReadonlySet<string>): Candidates<Seen> {
    const able = this.#findAble(family, tried);
    const tier = Math.min(...able.map(({ candidate }) => candidate.tier));
    return this.#oneOf(able.filter(({ candidate }) => candidate.tier === tier));
  }

  /** The members of all tiers that can carry a connection. */
  #findAble(family: Family, tried?: ReadonlySet<string>): readonly Member<Seen>[] {
    const takes = this.members.filter((member) => member.isAble(family, this.#states));
    const trusted = preferred(takes, (member) => this.#states.suspicion(member.id(family)) === undefined);
    return preferred(trusted, ({ target }) => tried?.has(target.name) !== true);
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
