import type { Flow } from './flow.js';
import type { Strategy } from './strategy.js';
import { carries, type Wan, type WanState } from './wan.js';

const FAMILIES = [4, 6] as const;

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
  /** By mark. */
  readonly #down = { 4: new Set<number>(), 6: new Set<number>() };
  /** With their weight of the moment, by mark, where it is not the configured one. */
  readonly #weighed = new Map<number, Wan>();
  /** Equal sets with equal weights are one array, so that strategies can key their state by it. */
  readonly #sets = new Map<string, readonly Wan[]>();
  #candidates4: readonly Wan[];
  #candidates6: readonly Wan[];

  constructor(wans: readonly Wan[], strategy: Strategy, onFault: (fault: Fault, error: unknown) => void) {
    this.wans = wans;
    this.#strategy = strategy;
    this.#onFault = onFault;
    this.#candidates4 = this.#candidates(4);
    this.#candidates6 = this.#candidates(6);
  }

  /** The WAN for a new connection; undefined when none can carry it or the strategy failed. */
  select(flow: Flow): Wan | undefined {
    const family = flow.family;
    const wans = family === 6 ? this.#candidates6 : this.#candidates4;
    if (wans.length === 0 || family === 0) return undefined;
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

  isDown(wan: Wan, family: 4 | 6): boolean {
    return this.#down[family].has(wan.mark);
  }

  /** Takes a WAN out of selection in one family, or back in. */
  setDown(wan: Wan, family: 4 | 6, down: boolean): void {
    if (down) this.#down[family].add(wan.mark);
    else this.#down[family].delete(wan.mark);
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
  serves(family: 4 | 6): boolean {
    return (family === 6 ? this.#candidates6 : this.#candidates4).length > 0;
  }

  #candidates(family: 4 | 6): readonly Wan[] {
    const able = this.wans
      .filter((wan) => this.weight(wan) > 0 && carries(wan, family) && !this.isDown(wan, family))
      .map((wan) => this.#now(wan));
    const tier = Math.min(...able.map((wan) => wan.tier));
    const chosen = able.filter((wan) => wan.tier === tier);
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
