import type { Family } from './family.js';
import { SlowStart } from './slow-start.js';
import { type Target, type TargetId, targetId } from './target.js';

/** Whether a target works in one family, since when and why. */
export interface TargetState {
  readonly up: boolean;
  /** The clock's milliseconds of the last change; of one that never changed, of the start. */
  readonly since: number;
  readonly reason: string;
  /** While it is down although nothing calls it down any more: until when, if that goes on. */
  readonly heldUntil: number | undefined;
}

/** Of a target that nobody speaks of. */
export const NOT_CHECKED: TargetState = { up: true, since: 0, reason: 'not checked', heldUntil: undefined };

/** `up` takes new connections, `drain` (weight 0) keeps those it has, `down` cannot carry any. */
export type Standing = 'up' | 'drain' | 'down';

export interface StatesOptions {
  /** Milliseconds of a clock that never goes back; the same as that of the states which are found. */
  readonly now?: () => number;
  /** How long a target that came up takes to get its full share; 0, the default: it has it at once. */
  readonly slowStartMs?: number;
}

/**
 * All that is known of the targets, by family, and the only place where it is kept: whoever finds something out puts it
 * here, and pools, status, hooks and the rules read it here. What is read is stored: no look-up asks another target.
 *
 * A target that goes down gets nothing new at once. One that is up again has to be admitted first, when its routes are
 * there; then it warms up. Its effective weight is the configured one or what {@link States.setWeight} put in its place,
 * times {@link States.warmUp}.
 */
export class States {
  readonly #states = new Map<TargetId, TargetState>();
  readonly #slowStart: SlowStart;
  #down: ReadonlySet<TargetId> = new Set();
  /** Those that are down, and those that are up and not admitted yet. */
  readonly #out = new Set<TargetId>();
  readonly #byHand = new Set<string>();
  #weights: ReadonlyMap<string, number> = new Map();
  #version = 0;

  constructor(targets: readonly Target[], options: StatesOptions = {}) {
    const { now = () => 0, slowStartMs = 0 } = options;
    this.#slowStart = new SlowStart(slowStartMs, now);
    const start = { ...NOT_CHECKED, since: now() };
    for (const { name, families } of targets) {
      for (const family of families) this.#states.set(targetId(name, family), start);
    }
  }

  /** Changes whenever {@link States.takes} or a weight does; for whoever keeps something that follows from them. */
  get version(): number {
    return this.#version;
  }

  /** Those that are found to be down: a snapshot. */
  get down(): ReadonlySet<TargetId> {
    return this.#down;
  }

  /** Weights in the place of the configured ones, by name: a snapshot. */
  get weights(): ReadonlyMap<string, number> {
    return this.#weights;
  }

  state(id: TargetId): TargetState {
    return this.#states.get(id) ?? NOT_CHECKED;
  }

  /** Whether it gets new connections, given a weight above 0. */
  takes(id: TargetId): boolean {
    return !this.#out.has(id);
  }

  /** Whether somebody has called it down by hand. */
  isByHand(name: string): boolean {
    return this.#byHand.has(name);
  }

  /** Its weight of the moment. @param configured that of the configuration */
  weight(name: string, configured: number): number {
    return this.#weights.get(name) ?? configured;
  }

  /** What it is on the whole: `down` when it is so in every family that it carries. @param configured its weight */
  standing({ name, families }: Target, configured: number): Standing {
    if (!families.some((family) => this.takes(targetId(name, family)))) return 'down';
    return this.weight(name, configured) === 0 ? 'drain' : 'up';
  }

  /** Whether any target is warming up in a family; costs nothing while there is none. */
  isWarming(family: Family): boolean {
    return this.#slowStart.active(family);
  }

  /** The part of its share that it has got to since it came up, from 0.1 on; 1: all of it. */
  warmUp(id: TargetId): number {
    return this.#slowStart.part(id) ?? 1;
  }

  /** Whether a target that was picked takes the connection, or leaves it to others since it is warming up. */
  takesPick(id: TargetId): boolean {
    return this.#slowStart.takes(id);
  }

  /**
   * Notes what was found of a target, which may be what is known already.
   * @returns for how many milliseconds it had been the opposite; undefined where it is up or down as before
   */
  found(id: TargetId, state: TargetState): number | undefined {
    const before = this.state(id);
    if (before.up === state.up) {
      this.#states.set(id, { ...state, since: before.since });
      return undefined;
    }
    this.#states.set(id, state);
    const down = new Set(this.#down);
    if (state.up) down.delete(id);
    else {
      down.add(id);
      this.#out.add(id);
      this.#slowStart.end(id);
    }
    this.#down = down;
    this.#version++;
    return state.since - before.since;
  }

  /** A target that is up gets new connections from now on, at first a part of its share. One that is down does not. */
  admit(id: TargetId): void {
    if (this.#down.has(id) || !this.#out.delete(id)) return;
    this.#slowStart.begin(id);
    this.#version++;
  }

  /** Notes that somebody has called it down by hand, or does so no more; whether it is down then has to be found. */
  setByHand(name: string, down: boolean): void {
    if (down) this.#byHand.add(name);
    else this.#byHand.delete(name);
  }

  /** A weight in the place of the configured one, 0 to 65535; undefined: the configured one again. */
  setWeight(name: string, weight: number | undefined): void {
    const weights = new Map(this.#weights);
    if (weight === undefined) weights.delete(name);
    else weights.set(name, weight);
    this.#weights = weights;
    this.#version++;
  }
}
