import type { Family } from './family.js';
import { SlowStart } from './slow-start.js';
import { type Target, type TargetId, targetId } from './target.js';

/** Whether a target works in one family, since when and why. */
export interface TargetState {
  readonly up: boolean;
  /** When the state last changed, in milliseconds of the clock; the start where it never changed. */
  readonly since: number;
  readonly reason: string;
  /**
   * Until when the target is held down although nothing calls it down any more; undefined when it is not being held.
   */
  readonly heldUntil: number | undefined;
  /**
   * Set while a target is down by its device only and for so short a time that it may be back at once, and after that
   * outage while it is up. Such an outage takes new connections elsewhere and does nothing else.
   */
  readonly brief?: true;
}

/** The state of a target that nobody has reported on. */
export const NOT_CHECKED: TargetState = { up: true, since: 0, reason: 'not checked', heldUntil: undefined };

/** Why a target is down from the start. */
export const WAITING = 'has not passed its first check';

/** Why a target gets no new connections although nothing calls it down. */
export interface Suspicion {
  readonly since: number;
  readonly reason: string;
}

/**
 * `up` takes new connections, `drain` (weight 0) keeps those it has, `suspected` gets none while another target works,
 * `down` cannot carry any.
 */
export type Standing = 'up' | 'drain' | 'suspected' | 'down';

/** How states change. */
export interface StatesOptions {
  /** Milliseconds of a clock that never goes back, the same clock that the reported states use. */
  readonly now?: () => number;
  /** How long a target that came up takes to get its full share; with 0, the default, it gets it at once. */
  readonly slowStartMs?: number;
  /** The targets that are down from the start. */
  readonly down?: ReadonlySet<TargetId>;
}

/**
 * All that is known of the targets, by family. This is the only place where it is kept: findings are put here, and
 * pools, status, hooks and the rules read it here. Everything read is stored; no look-up asks another target.
 *
 * A target that goes down gets nothing new at once. A target that is up again must first be admitted, once its routes
 * are there; then it warms up, unless it was away only briefly. Its effective weight is the configured one, or the one
 * from {@link States.setWeight}, times {@link States.warmUp}.
 */
export class States {
  readonly #states = new Map<TargetId, TargetState>();
  readonly #slowStart: SlowStart;
  #down: ReadonlySet<TargetId> = new Set();
  /** The targets that take nothing new: those that are down, and those that are up but not admitted yet. */
  readonly #out = new Set<TargetId>();
  readonly #suspicions = new Map<TargetId, Suspicion>();
  /** How often each target went up or down. */
  readonly #changes = new Map<TargetId, number>();
  /** The targets that have to warm up when they are admitted. */
  readonly #cold = new Set<TargetId>();
  /** When the weight of a target last changed from or to 0, by name. */
  readonly #weighed = new Map<string, number>();
  readonly #now: () => number;
  readonly #byHand = new Set<string>();
  #weights: ReadonlyMap<string, number> = new Map();
  readonly #listeners = new Set<() => void>();
  #version = 0;

  constructor(targets: readonly Target[], options: StatesOptions = {}) {
    const { now = () => 0, slowStartMs = 0, down = new Set() } = options;
    this.#now = now;
    this.#slowStart = new SlowStart(slowStartMs, now);
    this.#take(targets, down);
  }

  /**
   * Takes another configuration's targets. Those that stay keep all that is known of them; nothing is known any more of
   * those that are gone.
   * @param down those that are down from the start, as far as they are new
   */
  retarget(
    targets: readonly Target[],
    { slowStartMs = 0, down = new Set() }: Omit<StatesOptions, 'now'> = {},
  ): void {
    this.#slowStart.lengthMs = slowStartMs;
    const ids = new Set(targets.flatMap(({ name, families }) => families.map((one) => targetId(name, one))));
    for (const id of this.#states.keys()) if (!ids.has(id)) this.#drop(id);
    const names = new Set(targets.map(({ name }) => name));
    for (const name of [...this.#byHand, ...this.#weighed.keys()]) {
      if (names.has(name)) continue;
      this.#byHand.delete(name);
      this.#weighed.delete(name);
    }
    this.#weights = new Map([...this.#weights].filter(([name]) => names.has(name)));
    const isNew = (id: TargetId) => !this.#states.has(id);
    const added = targets.map(({ name, families }) => ({
      name,
      families: families.filter((family) => isNew(targetId(name, family))),
    }));
    this.#take(added, new Set([...down].filter(isNew)));
    // The balancers go over to other pools next, so nobody is told.
    this.#version++;
  }

  /** Takes up what an earlier daemon knew of a target, before anything is found of it. */
  restore(id: TargetId, state: TargetState): void {
    if (!this.#states.has(id)) return;
    this.#states.set(id, state);
    this.#down = new Set([...this.#down].filter((one) => one !== id));
    if (!state.up) this.#down = new Set([...this.#down, id]);
    for (const set of [this.#out, this.#cold]) {
      if (state.up) set.delete(id);
      else set.add(id);
    }
    this.#changed();
  }

  /**
   * Keeps new connections off targets whose routes are about to go, without calling them down.
   * @returns those that took new connections until now; {@link States.admit} undoes it
   */
  withhold(ids: readonly TargetId[]): readonly TargetId[] {
    const those = ids.filter((id) => this.takes(id));
    for (const id of those) this.#out.add(id);
    this.#changed();
    return those;
  }

  #take(targets: readonly Target[], down: ReadonlySet<TargetId>): void {
    const start = { ...NOT_CHECKED, since: this.#now() };
    for (const { name, families } of targets) {
      for (const family of families) this.#states.set(targetId(name, family), start);
    }
    this.#down = new Set([...this.#down, ...down]);
    for (const id of down) {
      this.#states.set(id, { ...start, up: false, reason: WAITING });
      this.#out.add(id);
      this.#cold.add(id);
    }
  }

  #changed(): void {
    this.#version++;
    for (const listener of this.#listeners) listener();
  }

  #drop(id: TargetId): void {
    this.#slowStart.end(id);
    for (const known of [this.#states, this.#out, this.#suspicions, this.#cold]) known.delete(id);
    this.#down = new Set([...this.#down].filter((one) => one !== id));
  }

  /** Changes whenever a weight or the answer of {@link States.takes} does, so that derived values can be cached. */
  get version(): number {
    return this.#version;
  }

  /**
   * Calls a listener right after each change of {@link States.version}, other than that of {@link States.retarget}.
   * @returns what ends that
   */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The targets that were found to be down: a snapshot. */
  get down(): ReadonlySet<TargetId> {
    return this.#down;
  }

  /** The targets that should get nothing new while another one works: a snapshot. */
  get suspected(): ReadonlySet<TargetId> {
    return new Set(this.#suspicions.keys());
  }

  /** Weights that replace the configured ones, by name: a snapshot. */
  get weights(): ReadonlyMap<string, number> {
    return this.#weights;
  }

  state(id: TargetId): TargetState {
    return this.#states.get(id) ?? NOT_CHECKED;
  }

  /** How often the target went up or down since the start. */
  changes(id: TargetId): number {
    return this.#changes.get(id) ?? 0;
  }

  /** Whether the target takes new connections, provided that its weight is above 0. */
  takes(id: TargetId): boolean {
    return !this.#out.has(id);
  }

  /** Why the target should get nothing new while another one works; undefined for nearly all. */
  suspicion(id: TargetId): Suspicion | undefined {
    return this.#suspicions.get(id);
  }

  /** Whether `wanmark set` holds the target down. */
  isByHand(name: string): boolean {
    return this.#byHand.has(name);
  }

  /** The target's current weight. @param configured its weight in the configuration */
  weight(name: string, configured: number): number {
    return this.#weights.get(name) ?? configured;
  }

  /** When the target's weight last changed from or to 0; undefined where it never did. */
  weighedSince(name: string): number | undefined {
    return this.#weighed.get(name);
  }

  /**
   * The target's state over all families: `down` only when every family it carries is down, `suspected` when each is
   * down or suspected. @param configured its weight
   */
  standing({ name, families }: Target, configured: number): Standing {
    const taking = families.map((family) => targetId(name, family)).filter((id) => this.takes(id));
    if (taking.length === 0) return 'down';
    if (this.weight(name, configured) === 0) return 'drain';
    return taking.every((id) => this.#suspicions.has(id)) ? 'suspected' : 'up';
  }

  /** Whether any target is warming up in a family; costs nothing while none is. */
  isWarming(family: Family): boolean {
    return this.#slowStart.active(family);
  }

  /** The part of its share that a target gets while it warms up, 0.1 to 1; 1 is all of it. */
  warmUp(id: TargetId): number {
    return this.#slowStart.part(id) ?? 1;
  }

  /** Whether a picked target takes the connection; while warming up it leaves some to others. */
  takesPick(id: TargetId): boolean {
    return this.#slowStart.takes(id);
  }

  /**
   * Notes the reported state of a target, which may be the same as before.
   * @returns for how many milliseconds it had been in the opposite state; undefined when up or down did not change
   */
  found(id: TargetId, state: TargetState): number | undefined {
    const before = this.state(id);
    if (!state.up && !state.brief) {
      this.#slowStart.end(id);
      this.#cold.add(id);
    }
    if (before.up === state.up) {
      this.#states.set(id, { ...state, since: before.since });
      return undefined;
    }
    this.#states.set(id, state);
    this.#changes.set(id, this.changes(id) + 1);
    const down = new Set(this.#down);
    if (state.up) down.delete(id);
    else {
      down.add(id);
      this.#out.add(id);
      this.#suspicions.delete(id);
    }
    this.#down = down;
    this.#changed();
    return state.since - before.since;
  }

  /**
   * Lets a target that is up take new connections, at first a part of its share; after a brief outage as much as before.
   * Does nothing for one that is down.
   */
  admit(id: TargetId): void {
    if (this.#down.has(id) || !this.#out.delete(id)) return;
    if (this.#cold.delete(id)) this.#slowStart.begin(id);
    this.#changed();
  }

  /** Notes why a target should get nothing new while another one works; undefined ends that. */
  suspect(id: TargetId, suspicion: Suspicion | undefined): void {
    if (suspicion === undefined ? !this.#suspicions.delete(id) : this.#suspicions.has(id)) return;
    if (suspicion !== undefined) this.#suspicions.set(id, suspicion);
    this.#changed();
  }

  /** Notes whether the target is held down by hand. What that makes of its state is for the caller to report. */
  setByHand(name: string, down: boolean): void {
    if (down) this.#byHand.add(name);
    else this.#byHand.delete(name);
  }

  /** Notes that the target's weight changes from or to 0 now. */
  turnedWeight(name: string): void {
    this.#weighed.set(name, this.#now());
  }

  /** Replaces the configured weight, 0 to 65535; undefined restores the configured one. */
  setWeight(name: string, weight: number | undefined): void {
    const weights = new Map(this.#weights);
    if (weight === undefined) weights.delete(name);
    else weights.set(name, weight);
    this.#weights = weights;
    this.#changed();
  }
}
