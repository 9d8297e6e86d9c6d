import type { AheadStatus } from '../../control/status.js';
import type { Batch } from '../../core/batch.js';
import { FAMILIES, type Family } from '../../core/family.js';
import { BatchFlow } from '../../core/flow.js';
import type { MarkField } from '../../core/mark.js';
import type { Member } from '../../core/member.js';
import type { Pool } from '../../core/pool.js';
import { ringChain, takenChain } from '../../plan/render/nft/names.js';
import type { BalancerContext, BalancerShape } from '../balancer-shape.js';
import type { Chooser } from '../chooser.js';
import type { DecisionListener } from '../decider.js';
import { Isolation } from '../isolation.js';
import { NOW } from '../moment.js';
import { type Label, PoolSet } from '../pool-set.js';
import { Begun, type BegunParts } from './begun.js';
import type { PlannerShape } from './planner.js';
import { RingSlot } from './ring-slot.js';
import { type ChainChoices, RingWriter } from './ring-writer.js';

/** How old the counts may be that choices were made by, while these are used. */
const COUNTS_MS = 20;
/** How soon choices by counts are looked at that nobody has used for a second. */
const IDLE_MS = 250;
const BUSY_FOR_MS = 1000;
/** How often the numbers of decisions are read where nothing goes by them. */
const PICKS_MS = 1000;

export interface RingBalancerParts extends BalancerContext, BalancerShape {
  /** The field of the mark that holds its members' numbers. */
  readonly field: MarkField;
  readonly label: Label;
  /** What is no connection of a client's that began here. */
  readonly exclusion: BegunParts['exclusion'];
}

/** A pool and what stands in the rules for it. */
interface Place {
  readonly pool: Pool;
  readonly slots: Map<Family, RingSlot | undefined>;
}

const NO_SHAPE: PlannerShape = { numbers: [], poolOf: () => undefined, countsOf: () => undefined };

/**
 * Spreads new connections without a queue: the choices of the pools stand in the rules, and are written anew when a state, a
 * weight or a count has changed. What was taken of them is known from the rules' counters.
 *
 * Choices that go round take their turn over both families where these have the same candidates. Where this process ends, the
 * last choices go on.
 */
export class RingBalancer implements Chooser {
  readonly #parts: RingBalancerParts;
  readonly #set: PoolSet;
  readonly #isolation: Isolation;
  readonly #writer: RingWriter;
  readonly #begun: Begun;
  readonly #unwatch: () => void;
  #shape = NO_SHAPE;
  #onDecision: DecisionListener = () => undefined;
  #places: readonly Place[] = [];
  /** A mark says which WAN it is, not by which policy; so the pool is the first one that has it. */
  #byNumber: ReadonlyMap<number, { readonly pool: Pool; readonly member: Member }> = new Map();
  /** What was taken until the last look, by the name of a chain; undefined until there was one. */
  #taken: ReadonlyMap<string, number> | undefined;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #usedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  /** Begins to write. @throws SystemError where there is no socket for it */
  constructor(parts: RingBalancerParts) {
    this.#parts = parts;
    const { logger, now, states } = parts;
    this.#isolation = new Isolation(logger, now);
    this.#set = new PoolSet(parts);
    this.#set.take(parts);
    this.#writer = new RingWriter({ logger, now });
    this.#begun = new Begun({
      logger,
      now,
      mask: parts.field.mask,
      exclusion: parts.exclusion,
      onBegun: (batch, count) => this.#tell(batch, count),
    });
    this.#unwatch = states.watch(() => this.#isolation.run(() => this.#refresh(), undefined));
    this.#follow(parts);
  }

  get pools(): readonly Pool[] {
    return this.#set.all;
  }

  aheadStatus(): AheadStatus {
    return { ...this.#writer.status, lost: this.#begun.lost };
  }

  lookAround(): void {
    this.#begun.lookAround();
  }

  async ready(): Promise<void> {
    await this.#look();
  }

  reshape(shape: BalancerShape): void {
    this.#set.take(shape);
    this.#follow(shape);
  }

  candidates(family: Family): ReadonlySet<string> {
    return this.#set.candidates(family);
  }

  /** Nothing is remembered for single connections. */
  forget(): void {}

  /** The rules know what comes in by a WAN. */
  askByInterface(): void {}

  /** Nobody is asked. */
  askByFlow(): void {}

  async fresh(): Promise<void> {
    await this.#look();
  }

  /** The numbers are those of the last look at the rules' counters, a second ago at most. */
  count(): void {}

  status() {
    return this.#set.status();
  }

  queueStatuses() {
    return [];
  }

  faults() {
    return this.#set.faults();
  }

  async ping(): Promise<void> {}

  async stop(): Promise<undefined> {
    this.#unwatch();
    this.#begun.close();
    await this.#look().catch(this.#isolation.report);
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#writer.close();
    this.#set.summarize(this.#parts.label);
    return undefined;
  }

  closeNow(): void {
    this.#stopped = true;
    this.#unwatch();
    this.#begun.close();
    clearTimeout(this.#timer);
    void this.#writer.close().catch(this.#isolation.report);
  }

  #follow(shape: BalancerShape): void {
    this.#shape = shape.planned?.(this.pools) ?? NO_SHAPE;
    this.#onDecision = this.#isolation.around(shape.onDecision, undefined);
    this.#begun.want(shape.told ?? 'none');
    const all = this.pools.flatMap((pool) => pool.members.map((member) => ({ pool, member })));
    // Of several with one number the last one stays, which is to be the first pool's.
    this.#byNumber = new Map(all.reverse().map((one) => [one.member.configured.mark, one]));
    const before = this.#places;
    this.#places = this.pools.map(
      (pool) => before.find((place) => place.pool === pool) ?? { pool, slots: new Map() },
    );
    const chains = this.pools.flatMap(({ name }) => FAMILIES.map((family) => ringChain(family, name)));
    this.#writer.keep(new Set(chains));
    this.#refresh();
  }

  /** Chooses anew where candidates have changed. */
  #refresh(): void {
    if (this.#stopped) return;
    for (const place of this.#places) {
      const had = new Map(place.slots);
      for (const family of FAMILIES) {
        place.slots.set(family, this.#slotOf(place, family, had));
      }
    }
    // A change of the candidates of one pool can lead others there, and such a write is rare.
    this.#writer.want(
      this.#places.flatMap((place) => FAMILIES.map((family) => this.#choices(place, family))),
    );
    this.#soon();
  }

  /** The choices of a family: those that there were, or those of the other family, where the candidates are the same. */
  #slotOf({ pool, slots }: Place, family: Family, had: ReadonlyMap<Family, RingSlot | undefined>) {
    const ahead = pool.aheadOfWarmth(family);
    if (ahead === undefined) return undefined;
    const four = family === 6 ? slots.get(4) : undefined;
    if (four?.ahead.list === ahead.list && four.isSequence) return four;
    const before = had.get(family);
    return before?.ahead.list === ahead.list
      ? before
      : new RingSlot(pool, family, ahead, this.#shape.countsOf(pool));
  }

  /** What is to stand in a chain. */
  #choices({ pool, slots }: Place, family: Family): ChainChoices {
    const chain = ringChain(family, pool.name);
    const slot = slots.get(family);
    if (slot === undefined) return this.#instead(pool, family, chain);
    const four = ringChain(4, pool.name);
    if (family === 6 && slot === slots.get(4)) return { chain, targets: [four], places: Uint16Array.of(0) };
    const { names, places, fields } = slot.written;
    return {
      chain,
      targets: names.map((name) => takenChain(pool.name, name)),
      places,
      hash: fields && { family, fields },
    };
  }

  /** What a pool without candidates leads to: another one, as its policy says, or what the kernel knows. */
  #instead(pool: Pool, family: Family, chain: string): ChainChoices {
    const other = this.#shape.insteadOf?.(pool, family);
    return other === undefined
      ? { chain, targets: [], places: new Uint16Array(0) }
      : { chain, targets: [ringChain(family, other.name)], places: Uint16Array.of(0) };
  }

  /**
   * Tells of connections that have begun.
   */
  #tell(batch: Batch, count: number): void {
    const flow = new BatchFlow(batch);
    const packet = () => new Uint8Array(0);
    for (let i = 0; i < count; i++) {
      const found = this.#byNumber.get(this.#parts.field.decode(batch.oldMark[i]!));
      if (found !== undefined) this.#onDecision(found.pool, found.member, flow.at(i), packet, NOW);
    }
  }

  #soon(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look().catch(this.#isolation.report), this.#pace()).unref();
  }

  #pace(): number {
    const slots = this.#places.flatMap(({ slots: all }) => [...all.values()]);
    const isWarming = this.#places.some(({ pool }) => FAMILIES.some((family) => pool.isWarming(family)));
    if (slots.every((slot) => slot?.isLasting !== false)) return isWarming ? IDLE_MS : PICKS_MS;
    return this.#parts.now() - this.#usedAt < BUSY_FOR_MS ? COUNTS_MS : IDLE_MS;
  }

  /** Takes in what was taken, and chooses anew by the present counts. */
  #look(): Promise<void> {
    this.#looking ??= this.#takeIn().finally(() => {
      this.#looking = undefined;
      this.#soon();
    });
    return this.#looking;
  }

  async #takeIn(): Promise<void> {
    const taken = await this.#writer.taken();
    if (taken === undefined) return;
    const before = this.#taken;
    this.#taken = taken;
    const changed: ChainChoices[] = [];
    for (const place of this.#places) {
      const used = before === undefined ? 0 : this.#count(place.pool, before, taken);
      if (used > 0) this.#usedAt = this.#parts.now();
      const followed = new Set<RingSlot>();
      for (const [family, slot] of place.slots) {
        if (slot === undefined || followed.has(slot)) continue;
        followed.add(slot);
        if (slot.follow(used)) changed.push(this.#choices(place, family));
      }
    }
    this.#writer.want(changed);
  }

  /** Counts what the members of a pool were given meanwhile. @returns how much that was */
  #count(pool: Pool, before: ReadonlyMap<string, number>, taken: ReadonlyMap<string, number>): number {
    const isCounted = this.#shape.countsOf(pool) !== undefined;
    let all = 0;
    for (const member of pool.members) {
      const used = usedOf(takenChain(pool.name, member.target.name), before, taken);
      all += used;
      member.picks += used;
      if (isCounted) this.#announce(member, used);
    }
    return all;
  }

  /** What was given counts at once, before conntrack tells of it. */
  #announce({ configured }: Member, count: number): void {
    for (let i = 0; i < count; i++) this.#parts.connections?.decided(configured.mark);
  }
}

/** How much a counter has counted meanwhile; one that is smaller has begun anew. */
function usedOf(
  name: string,
  before: ReadonlyMap<string, number>,
  taken: ReadonlyMap<string, number>,
): number {
  const [was, is] = [before.get(name) ?? 0, taken.get(name) ?? 0];
  return is >= was ? is - was : is;
}
