import type { Logger } from 'pino';
import { type Change, UnknownWan } from '../config/change.js';
import type { Member } from '../core/member.js';
import type { States } from '../core/states.js';
import type { NamedStrategy } from '../core/strategy.js';
import { type Target, targetId } from '../core/target.js';
import { SystemError, UsageError } from '../errors.js';
import type { RulesKeeper } from './rules-keeper.js';
import type { Uplinks } from './uplinks.js';

export interface SettingsParts {
  /** What the members are, for messages: `WAN`, or `backend of web`. */
  readonly what: string;
  /** Names a member in the log, by the field that users know. */
  readonly label: (name: string) => object;
  /** The members that can be set, of one pool: the WANs or bare marks, or the backends of a service. */
  readonly members: readonly Pick<Member, 'target' | 'configured'>[];
  readonly states: States;
  /** The strategy that chooses among them. */
  readonly strategy: Pick<NamedStrategy, 'name' | 'ignoresWeights'>;
  readonly logger: Logger;
  /** Undefined for bare marks, and without WANs. */
  readonly uplinks: Pick<Uplinks, 'setDown' | 'reconsider'> | undefined;
  /** Undefined for bare marks. */
  readonly keeper: Pick<RulesKeeper, 'setStates' | 'refusal' | 'failure'> | undefined;
  /** Settles when all consequences of a change of state are done. */
  readonly settled: () => Promise<unknown>;
}

type Settable = SettingsParts['members'][number];

/** Makes the changes of `wanmark set`; they last as long as the daemon runs. */
export class Settings {
  readonly #parts: SettingsParts;
  #latest: Promise<unknown> = Promise.resolve();

  constructor(parts: SettingsParts) {
    this.#parts = parts;
  }

  /**
   * Makes all of a change or nothing; simultaneous changes are made one after the other.
   * @returns one line with the new state, when the daemon and the kernel go by it
   * @throws UsageError for an impossible change, UnknownWan; SystemError where the daemon goes by it and the rules cannot
   */
  set(change: Change): Promise<string> {
    const done = this.#latest.then(() => this.#set(change));
    this.#latest = done.catch(() => undefined);
    return done;
  }

  async #set({ wan: name, weight, state }: Change): Promise<string> {
    const { members, uplinks } = this.#parts;
    const member = members.find(({ target }) => target.name === name);
    if (member === undefined) {
      throw new UnknownWan(
        name,
        members.map(({ target }) => target.name),
      );
    }
    if (state !== undefined && uplinks === undefined) {
      throw new UsageError(
        `${name} is a bare mark, and only your own rules know where it leads; use weight=0`,
      );
    }
    const weights = weight === undefined ? undefined : this.#with(member, weight);
    if (weights !== undefined) await this.#refuseWeights(member, weights);
    const said: string[] = [];
    if (weights !== undefined) said.push(await this.#setWeight(member, weights));
    if (state !== undefined) said.push(await this.#setState(member.target, state));
    const failure = this.#parts.keeper?.failure;
    const result = `${name}: ${said.join('; ')}`;
    if (failure === undefined) return result;
    throw new SystemError(
      'RULES_BEHIND',
      `${result}, but only for the daemon, since the rules could not follow: ${failure}; it tries again by itself`,
    );
  }

  /** The weights that replace the configured ones, with a new one for `member`. */
  #with({ target, configured }: Settable, weight: number | 'auto'): ReadonlyMap<string, number> {
    const weights = new Map(this.#parts.states.weights);
    if (weight === 'auto' || weight === configured.weight) weights.delete(target.name);
    else weights.set(target.name, weight);
    return weights;
  }

  async #refuseWeights(
    { target, configured }: Settable,
    weights: ReadonlyMap<string, number>,
  ): Promise<void> {
    const { members, keeper } = this.#parts;
    if (members.every((one) => (weights.get(one.target.name) ?? one.configured.weight) === 0)) {
      throw new UsageError(
        `with weight 0 for ${target.name} every ${this.#parts.what} has weight 0, so none takes new connections; give another 1 or more first`,
      );
    }
    const refusal = await keeper?.refusal(weights);
    if (refusal === undefined) return;
    const weight = weights.get(target.name) ?? configured.weight;
    throw new UsageError(`weight ${weight} for ${target.name} does not go with the rules: ${refusal}`);
  }

  async #setWeight({ target, configured }: Settable, weights: ReadonlyMap<string, number>): Promise<string> {
    const { states, keeper, logger, uplinks, label } = this.#parts;
    const was = states.weight(target.name, configured.weight);
    const now = weights.get(target.name) ?? configured.weight;
    if (now === was) return `weight ${weightText(now)}, as before`;
    states.setWeight(target.name, weights.get(target.name));
    if ((now === 0) !== (was === 0)) states.turnedWeight(target.name);
    logger.info({ ...label(target.name), what: 'weight', now, was }, 'set');
    uplinks?.reconsider();
    await keeper?.setStates(states);
    const said = `weight ${weightText(now)}, was ${weightText(was)}`;
    const { name, ignoresWeights } = this.#parts.strategy;
    return ignoresWeights && now > 0 ? `${said}; strategy ${name} ignores weights above 0` : said;
  }

  async #setState({ name, families }: Target, now: 'down' | 'auto'): Promise<string> {
    const { uplinks, states, logger, settled, label } = this.#parts;
    const was = states.isByHand(name) ? 'down' : 'auto';
    if (now !== was) {
      states.setByHand(name, now === 'down');
      logger.info({ ...label(name), what: 'state', now, was }, 'set');
    }
    // Called even if the state was `auto` before, since that ends a hold-down.
    uplinks?.setDown(name, now === 'down');
    await settled();
    const text = now === 'down' ? now : `auto (${this.#found({ name, families })})`;
    return now === was ? `state ${text}, as before` : `state ${text}, was ${was}`;
  }

  /** The state that the daemon finds for a WAN: `up`, or why it is down, by family where the families differ. */
  #found({ name, families }: Target): string {
    const found = families.map((family) => {
      const { up, reason } = this.#parts.states.state(targetId(name, family));
      return { family, text: up ? 'up' : `down: ${reason}` };
    });
    const same = found.every(({ text }) => text === found[0]!.text);
    return same ? found[0]!.text : found.map(({ family, text }) => `IPv${family} ${text}`).join(', ');
  }
}

function weightText(weight: number): string {
  return weight === 0 ? '0 (drain)' : String(weight);
}
