import { FAMILIES, type Family } from './family.js';
import type { Flow } from './flow.js';
import { SlowStart } from './slow-start.js';
import type { Strategy } from './strategy.js';
import { carries, type Wan, type WanState } from './wan.js';

/** Why a strategy's answer was not used. */
export type Fault = 'threw' | 'returned no candidate';

/**
 * Narrows the WANs to the candidates of a connection and asks the strategy.
 *
 * Candidates are those that are up, carry the packet's address family and have a weight above 0; of these, those
 * of the lowest tier. The list is made once for each state of the WANs, not for each packet. A WAN whose weight was
 * changed is another object with the same mark, which is what to know it by.
 */
export class Selector {
  readonly wans: readonly Wan[];
  readonly #strategy: Strategy;
  readonly #onFault: (fault: Fault, error: unknown) => void;
  readonly #slowStart: SlowStart;
  /** By mark. */
  readonly #down = { 4: new Set<number>(), 6: new Set<number>() };
  /** With their weight of the moment, by mark, where it is not the configured one. */
  readonly #weighed = new Map<number, Wan>();
  /** Equal sets with equal weights are one array, so that strategies can key their state by it. */
  readonly #sets = new Map<string, readonly Wan[]>();
  #candidates4: readonly Wan[];
  #candidates6: readonly Wan[];

  /** @param slowStart told of WANs that come up; without it they have their share at once */
  constructor(
    wans: readonly Wan[],
    strategy: Strategy,
    onFault: (fault: Fault, error: unknown) => void,
    slowStart = new SlowStart(0, () => 0),
  ) {
    this.wans = wans;
    this.#strategy = strategy;
    this.#onFault = onFault;
    this.#slowStart = slowStart;
    this.#candidates4 = this.#candidates(4);
    this.#candidates6 = this.#candidates(6);
  }

  /** The WAN for a new connection; undefined when none can carry it or the strategy failed. */
  select(flow: Flow): Wan | undefined {
    const family = flow.family === 6 ? 6 : 4;
    const wans = family === 6 ? this.#candidates6 : this.#candidates4;
    if (wans.length === 0 || flow.family === 0) return undefined;
    const wan = this.#ask(flow, wans);
    if (wan === undefined || !this.#slowStart.active(family)) return wan;
    return this.#thin(wan, flow, wans, family);
  }

  /** Where a WAN that is warming does not take it, one that is warm has it; without such a one nobody is spared. */
  #thin(wan: Wan, flow: Flow, wans: readonly Wan[], family: Family): Wan | undefined {
    const warm = this.#slowStart.warm(wans, family);
    if (warm.length === 0 || this.#slowStart.takes(wan.mark, family)) return wan;
    return this.#ask(flow, this.#oneOf(warm));
  }

  #ask(flow: Flow, wans: readonly Wan[]): Wan | undefined {
    let wan: Wan;
    try {
      wan = this.#strategy.pick(flow, wans);
    } catch (error) {
      this.#onFault('threw', error);
      return undefined;
    }
    if (wans.includes(wan)) return wan;
    this.#onFault('returned no candidate', wan);
    return undefined;
  }

  /** `down` when it is so in every family that it carries. */
  state(wan: Wan): WanState {
    if (FAMILIES.every((family) => !carries(wan, family) || this.isDown(wan, family))) return 'down';
    return this.weight(wan) === 0 ? 'drain' : 'up';
  }

  isDown(wan: Wan, family: Family): boolean {
    return this.#down[family].has(wan.mark);
  }

  /** Takes a WAN out of selection in one family, or back in. */
  setDown(wan: Wan, family: Family, down: boolean): void {
    if (down) {
      this.#down[family].add(wan.mark);
      this.#slowStart.end(wan.mark, family);
    } else if (this.#down[family].delete(wan.mark)) this.#slowStart.begin(wan.mark, family);
    this.#candidates4 = this.#candidates(4);
    this.#candidates6 = this.#candidates(6);
  }

  /** Its weight of the moment. */
  weight(wan: Wan): number {
    return this.#now(wan).weight;
  }

  /** Gives a WAN another weight than the configured one, or with undefined that again. */
  setWeight(wan: Wan, weight: number | undefined): void {
    if (weight === undefined || weight === wan.weight) this.#weighed.delete(wan.mark);
    else this.#weighed.set(wan.mark, Object.freeze({ ...wan, weight }));
    // Or each of many changes would leave its sets behind.
    const now = this.weight(wan);
    for (const [key, set] of this.#sets) {
      if (set.some((one) => one.mark === wan.mark && one.weight !== now)) this.#sets.delete(key);
    }
    this.#candidates4 = this.#candidates(4);
    this.#candidates6 = this.#candidates(6);
  }

  /** Whether there is a WAN for new connections of a family. */
  serves(family: Family): boolean {
    return (family === 6 ? this.#candidates6 : this.#candidates4).length > 0;
  }

  /** Those that new connections of a family may be given to. */
  candidates(family: Family): readonly Wan[] {
    return family === 6 ? this.#candidates6 : this.#candidates4;
  }

  /** The part of its share that it has got to since it came up, 0.1 to 1; null: all, in each family. */
  warmUp(wan: Wan): number | null {
    const parts = FAMILIES.flatMap((family) => this.#slowStart.part(wan.mark, family) ?? []);
    return parts.length === 0 ? null : Math.min(...parts);
  }

  #candidates(family: Family): readonly Wan[] {
    const able = this.wans
      .filter((wan) => this.weight(wan) > 0 && carries(wan, family) && !this.isDown(wan, family))
      .map((wan) => this.#now(wan));
    const tier = Math.min(...able.map((wan) => wan.tier));
    return this.#oneOf(able.filter((wan) => wan.tier === tier));
  }

  /** Equal sets are one array. */
  #oneOf(chosen: readonly Wan[]): readonly Wan[] {
    const key = chosen.map((wan) => `${wan.mark}=${wan.weight}`).join();
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    this.#sets.set(key, chosen);
    return chosen;
  }

  #now(wan: Wan): Wan {
    return this.#weighed.get(wan.mark) ?? wan;
  }
}
