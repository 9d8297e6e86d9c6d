import { FAMILIES, type Family } from '../../core/family.js';
import type { MarkField } from '../../core/mark.js';
import type { Member } from '../../core/member.js';
import type { Ahead, Pool } from '../../core/pool.js';
import type { Tuple } from '../../core/tuple.js';
import type { PlanKey, Plans } from '../../queue/plans.js';
import type { ChosenBy } from './chosen-by.js';
import { PlannedSequence } from './planned-sequence.js';
import { PlannedTable } from './planned-table.js';

/** How old the counts may be that choices were made by. */
const COUNTS_MS = 20;
/** How long nobody must have used choices by counts for packets to be asked about again: nothing moves them ahead then. */
const IDLE_MS = 1000;
/** How soon it is looked again whether members have warmed up. */
const WARMING_MS = 250;

/** Finds the pool for the packets whose field has this number, and whose family is this; undefined where none is meant. */
export type PoolOf = (number: number, family: Family) => Pool | undefined;

/** A member that was chosen, and the pool that chose. */
export interface Choice {
  readonly pool: Pool;
  readonly member: Member;
}

/** What choices are made beforehand for. */
export interface PlannerShape {
  /** The numbers in the field of packets that are to be decided: 0, and those of policies. */
  readonly numbers: readonly number[];
  readonly poolOf: PoolOf;
  /** The pool that chooses in place of one that has no candidates of a family; undefined where there is none. */
  readonly insteadOf?: (pool: Pool, family: Family) => Pool | undefined;
  /** The counts by which a pool's strategy chooses; undefined where it goes by none. */
  readonly countsOf: (pool: Pool) => ChosenBy | undefined;
  /**
   * Whether somebody has to hear of each choice of a pool for a family, and not only of a sample; asked each time that states
   * change. By default nobody has to.
   */
  readonly tellsEach?: (pool: Pool, family: Family) => boolean;
}

export interface PlannerParts {
  readonly plans: Plans;
  readonly field: MarkField;
  /** Tells at once what the queues have decided. */
  readonly tell: () => void;
  /** Told of what a table threw. */
  readonly onFault: (error: unknown) => void;
}

/** A pool for the packets of one number and family, or of both families where the pool is the same, with what is planned. */
interface Place {
  readonly families: readonly Family[];
  /** Where the plan is; it is shared with the other family where there are two. */
  readonly key: PlanKey;
  /** The pool that chose whatever the queues have decided for these packets. */
  readonly pool: Pool | undefined;
  /** The members of that pool by what they are in a mark. */
  readonly members: ReadonlyMap<number, Member>;
  readonly ahead: Ahead | undefined;
  readonly chosenBy: ChosenBy | undefined;
  planned: PlannedSequence | PlannedTable | undefined;
  /** When the last of the choices by counts was used. */
  usedAt: number;
}

/** A place before it is planned for. */
type Wanted = Pick<Place, 'families' | 'pool' | 'ahead'>;

const NO_SHAPE: PlannerShape = { numbers: [], poolOf: () => undefined, countsOf: () => undefined };

/**
 * Keeps the queues supplied with choices of the pools, so that packets need not wait for this thread.
 *
 * Where the candidates change, what was said is taken away and said anew before the change returns. Choices by counts are
 * said anew every 20 ms while they are used. Where nothing can be said beforehand, packets are asked about.
 */
export class Planner {
  readonly #parts: PlannerParts;
  readonly #now: () => number;
  #shape = NO_SHAPE;
  /** The places of each number. */
  readonly #places = new Map<number, readonly Place[]>();
  #counting: NodeJS.Timeout | undefined;
  #warming: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param now milliseconds of a clock that never goes back */
  constructor(parts: PlannerParts, now: () => number) {
    this.#parts = parts;
    this.#now = now;
  }

  /** Takes everything away, as before the pools change; {@link Planner.follow} begins anew. */
  pause(): void {
    for (const place of this.#all()) this.#end(place);
    // The pools that chose are still there to be told.
    this.#parts.tell();
    this.#places.clear();
  }

  /** Plans for other pools. */
  follow(shape: PlannerShape): void {
    this.pause();
    this.#shape = shape;
    this.refresh();
  }

  /** Plans anew where candidates have changed. To be called right after the states have. */
  refresh(): void {
    if (this.#stopped) return;
    let warms = false;
    for (const number of this.#shape.numbers) {
      const wanted = this.#wanted(number);
      for (const { families, pool, ahead } of wanted)
        warms ||= ahead === undefined && families.some((family) => pool?.isWarming(family));
      const places = this.#places.get(number) ?? [];
      const kept = wanted.map((one) => places.find((place) => isOf(place, one)));
      const ended = places.filter((place) => !kept.includes(place));
      if (places.length > 0 && ended.length === 0) continue;
      for (const place of ended) this.#end(place);
      // The pools that chose are told of it before others have their place.
      if (ended.some(({ pool }) => wanted.every((one) => one.pool !== pool))) this.#parts.tell();
      this.#places.set(
        number,
        wanted.map((one, i) => kept[i] ?? this.#begin(number, one)),
      );
    }
    for (const place of this.#all()) this.#listen(place);
    if (warms) this.#warming ??= setTimeout(() => this.#warmed(), WARMING_MS).unref();
  }

  /** The pool and the member of a decision that the queues have made; undefined where there is none any more. */
  chosen(mark: number, oldMark: number, family: number): Choice | undefined {
    return this.#choice(mark, this.#placeOf(oldMark, family));
  }

  /**
   * The next of the choices that were said beforehand, for a packet that was asked about all the same: because it came
   * before they were said, or what is to be told has no room. They go on in their order. Undefined where there is none.
   */
  take(oldMark: number, family: number): Choice | undefined {
    const place = this.#placeOf(oldMark, family);
    if (!(place?.planned instanceof PlannedSequence)) return undefined;
    const mark = this.#parts.plans.take(place.key);
    return mark === undefined ? undefined : this.#choice(mark, place);
  }

  #choice(mark: number, place: Place | undefined): Choice | undefined {
    const member = place?.members.get((mark & this.#parts.field.mask) >>> 0);
    return place?.pool === undefined || member === undefined ? undefined : { pool: place.pool, member };
  }

  /** Says more choices where the queues have used some. To be called after they have told. */
  refill(): void {
    const now = this.#now();
    for (const { planned, chosenBy } of this.#all())
      if (planned instanceof PlannedSequence && chosenBy === undefined) planned.refill(now);
  }

  /** Takes what the queues have decided by now into the members' numbers of decisions. */
  count(): void {
    for (const place of this.#all()) this.#count(place);
  }

  /** Plans anew by the present counts, and stops where nobody uses that. */
  recount(): void {
    if (this.#counting === undefined) return;
    // What was used by now is in the counts, and its log lines come first.
    this.#parts.tell();
    const now = this.#now();
    let uses = false;
    for (const place of this.#all()) {
      if (place.chosenBy === undefined || !(place.planned instanceof PlannedSequence)) continue;
      if (place.planned.renew() > 0) place.usedAt = now;
      if (now - place.usedAt < IDLE_MS) uses = true;
      else this.#end(place);
    }
    if (uses) return;
    clearInterval(this.#counting);
    this.#counting = undefined;
  }

  /** Notes that this thread was asked about a packet. */
  asked(oldMark: number, family: number): void {
    const place = this.#placeOf(oldMark, family);
    if (place?.chosenBy === undefined || place.planned !== undefined || place.ahead === undefined) return;
    place.usedAt = this.#now();
    this.#plan(place);
    this.#counting ??= setInterval(() => this.recount(), COUNTS_MS).unref();
  }

  /** Has packets of this flow asked about for a while, in milliseconds. */
  askByFlow(tuple: Tuple, forMs: number): void {
    this.#parts.plans.askByFlow(tuple, forMs);
  }

  /** Has packets that come in by these devices asked about. */
  askByInterface(ifindexes: readonly number[]): void {
    this.#parts.plans.askByInterface(ifindexes);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#counting);
    clearTimeout(this.#warming);
    for (const place of this.#all()) this.#end(place);
  }

  #placeOf(oldMark: number, family: number): Place | undefined {
    const places = this.#places.get(this.#parts.field.decode(oldMark));
    return places?.find(({ families }) => families.some((one) => one === family));
  }

  *#all(): Generator<Place> {
    for (const places of this.#places.values()) yield* places;
  }

  /** What there should be for a number. Both families go on in one order where they have the same candidates. */
  #wanted(number: number): readonly Wanted[] {
    const of = (family: Family): Wanted => {
      const pool = this.#shape.poolOf(number, family);
      return { families: [family], pool, ahead: pool?.ahead(family) };
    };
    const [four, six] = [of(4), of(6)];
    const joined = four.pool === six.pool && four.ahead !== undefined && four.ahead.list === six.ahead?.list;
    return joined && 'sequence' in four.ahead ? [{ ...four, families: FAMILIES }] : [four, six];
  }

  #begin(number: number, { families, pool, ahead }: Wanted): Place {
    const { field } = this.#parts;
    const place: Place = {
      families,
      key: { field: number === 0 ? 0 : field.encode(number), family: families[0]! },
      pool,
      members: membersOf(pool, field),
      ahead,
      chosenBy: pool && this.#shape.countsOf(pool),
      planned: undefined,
      usedAt: 0,
    };
    // Choices by counts are said when somebody needs them.
    if (place.chosenBy === undefined) this.#plan(place);
    return place;
  }

  #plan(place: Place): void {
    const { plans, field, onFault } = this.#parts;
    const { ahead, pool, key, chosenBy, families } = place;
    if (ahead === undefined || pool === undefined) return;
    const options = { chosenBy, shared: families.length > 1 };
    place.planned =
      'table' in ahead
        ? new PlannedTable(plans, key, field, ahead, onFault)
        : new PlannedSequence(plans, key, field, pool, ahead, options);
    this.#listen(place);
  }

  /** Has the queues tell what somebody has to hear of. */
  #listen({ planned, pool, families }: Place): void {
    const { tellsEach } = this.#shape;
    const each = pool !== undefined && families.some((family) => tellsEach?.(pool, family));
    planned?.tellSome(!each);
  }

  #end(place: Place): void {
    place.planned?.end();
    place.planned = undefined;
    this.#count(place);
  }

  #count({ key, members }: Place): void {
    for (const [mark, count] of this.#parts.plans.takeCounts(key)) {
      const member = members.get(mark);
      if (member !== undefined) member.picks += count;
    }
  }

  #warmed(): void {
    this.#warming = undefined;
    this.refresh();
  }
}

function isOf({ families, pool, ahead }: Place, wanted: Wanted): boolean {
  const same = pool === wanted.pool && ahead?.list === wanted.ahead?.list;
  return same && families.join() === wanted.families.join();
}

function membersOf(pool: Pool | undefined, field: MarkField): ReadonlyMap<number, Member> {
  return new Map(pool?.members.map((member) => [field.encode(member.configured.mark), member] as const));
}
