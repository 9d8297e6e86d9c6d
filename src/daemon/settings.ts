import type { Logger } from 'pino';
import { type Change, UnknownWan } from '../config/change.js';
import { FAMILIES } from '../core/family.js';
import type { Selector } from '../core/selector.js';
import { carries, type Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import type { RulesKeeper } from './rules-keeper.js';
import type { Uplinks } from './uplinks.js';

export interface SettingsParts {
  readonly wans: readonly Wan[];
  readonly selector: Selector;
  readonly logger: Logger;
  /** Undefined for bare marks, and without WANs. */
  readonly uplinks: Pick<Uplinks, 'setDown' | 'state'> | undefined;
  /** Undefined for bare marks. */
  readonly keeper: Pick<RulesKeeper, 'setWeights' | 'refusal'> | undefined;
  /** When all that a change of state entails is done. */
  readonly settled: () => Promise<unknown>;
}

/** What `wanmark set` has changed of the WANs, for as long as the daemon runs. */
export class Settings {
  readonly #parts: SettingsParts;
  /** Weights in the place of the configured ones. */
  readonly #weights = new Map<Wan, number>();
  readonly #down = new Set<Wan>();
  #latest: Promise<unknown> = Promise.resolve();

  constructor(parts: SettingsParts) {
    this.#parts = parts;
  }

  isDown(wan: Wan): boolean {
    return this.#down.has(wan);
  }

  /**
   * All of a change or nothing; changes that come at once are made one after the other.
   * @returns one line that says what is so now, when the daemon and the kernel keep to it
   * @throws UsageError for what cannot be, UnknownWan
   */
  set(change: Change): Promise<string> {
    const done = this.#latest.then(() => this.#set(change));
    this.#latest = done.catch(() => undefined);
    return done;
  }

  async #set({ wan: name, weight, state }: Change): Promise<string> {
    const { wans, uplinks } = this.#parts;
    const wan = wans.find((one) => one.name === name);
    if (wan === undefined)
      throw new UnknownWan(
        name,
        wans.map((one) => one.name),
      );
    if (state !== undefined && uplinks === undefined) {
      throw new UsageError(
        `${name} is a mark of which only your own rules know where it leads; use weight=0`,
      );
    }
    const weights = weight === undefined ? undefined : this.#with(wan, weight);
    if (weights !== undefined) await this.#refuseWeights(wan, weights);
    const said: string[] = [];
    if (weights !== undefined) said.push(await this.#setWeight(wan, weights));
    if (state !== undefined) said.push(await this.#setState(wan, state));
    return `${name}: ${said.join('; ')}`;
  }

  /** The weights in the place of the configured ones, with another one for `wan`. */
  #with(wan: Wan, weight: number | 'auto'): ReadonlyMap<Wan, number> {
    const weights = new Map(this.#weights);
    if (weight === 'auto' || weight === wan.weight) weights.delete(wan);
    else weights.set(wan, weight);
    return weights;
  }

  async #refuseWeights(wan: Wan, weights: ReadonlyMap<Wan, number>): Promise<void> {
    const weightOf = (one: Wan) => weights.get(one) ?? one.weight;
    if (this.#parts.wans.every((one) => weightOf(one) === 0)) {
      throw new UsageError(
        `with weight 0 for ${wan.name} every WAN has weight 0, so none takes new connections; give another 1 or more first`,
      );
    }
    const refusal = await this.#parts.keeper?.refusal(words(weights));
    if (refusal === undefined) return;
    throw new UsageError(`weight ${weightOf(wan)} for ${wan.name} does not go with the rules: ${refusal}`);
  }

  async #setWeight(wan: Wan, weights: ReadonlyMap<Wan, number>): Promise<string> {
    const { selector, keeper, logger } = this.#parts;
    const was = selector.weight(wan);
    const now = weights.get(wan) ?? wan.weight;
    if (now === was) return `weight ${weightText(now)}, as before`;
    this.#weights.delete(wan);
    if (weights.has(wan)) this.#weights.set(wan, now);
    selector.setWeight(wan, now);
    logger.info({ wan: wan.name, what: 'weight', now, was }, 'set');
    await keeper?.setWeights(words(this.#weights));
    return `weight ${weightText(now)}, was ${weightText(was)}`;
  }

  async #setState(wan: Wan, now: 'down' | 'auto'): Promise<string> {
    const { uplinks, logger, settled } = this.#parts;
    const was = this.#down.has(wan) ? 'down' : 'auto';
    if (now !== was) {
      if (now === 'down') this.#down.add(wan);
      else this.#down.delete(wan);
      logger.info({ wan: wan.name, what: 'state', now, was }, 'set');
    }
    // Also where it was auto before: that ends a hold-down.
    uplinks?.setDown(wan, now === 'down');
    await settled();
    const text = now === 'down' ? now : `auto (${this.#found(wan)})`;
    return now === was ? `state ${text}, as before` : `state ${text}, was ${was}`;
  }

  /** What the daemon finds of a WAN: `up`, or why it is not, by family where these differ. */
  #found(wan: Wan): string {
    const states = FAMILIES.filter((family) => carries(wan, family)).map((family) => {
      const { up, reason } = this.#parts.uplinks!.state(wan, family);
      return { family, text: up ? 'up' : `down: ${reason}` };
    });
    const same = states.every(({ text }) => text === states[0]!.text);
    return same ? states[0]!.text : states.map(({ family, text }) => `IPv${family} ${text}`).join(', ');
  }
}

/** As WANMARK_WEIGHTS names them. */
function words(weights: ReadonlyMap<Wan, number>): string[] {
  return [...weights].map(([wan, weight]) => `${wan.name}=${weight}`);
}

function weightText(weight: number): string {
  return weight === 0 ? '0 (drain)' : String(weight);
}
