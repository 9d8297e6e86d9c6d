import type { Logger } from 'pino';
import { type Change, UnknownWan } from '../config/change.js';
import { type EventSink, type Happening, NO_EVENTS } from '../core/event.js';
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
  readonly events?: EventSink;
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
    return this.#next(async () => this.#set(change.wan, [this.#member(change.wan)], change));
  }

  /** Does the same for all members at once. @param change names what they belong to */
  setAll(change: Change): Promise<string> {
    return this.#next(() => this.#set(change.wan, this.#parts.members, change));
  }

  #next(set: () => Promise<string>): Promise<string> {
    const done = this.#latest.then(set);
    this.#latest = done.catch(() => undefined);
    return done;
  }

  #member(name: string): Settable {
    const { members } = this.#parts;
    const member = members.find(({ target }) => target.name === name);
    if (member !== undefined) return member;
    throw new UnknownWan(
      name,
      members.map(({ target }) => target.name),
    );
  }

  async #set(name: string, those: readonly Settable[], { weight, state }: Change): Promise<string> {
    const { uplinks } = this.#parts;
    if (state !== undefined && uplinks === undefined) {
      throw new UsageError(
        `${name} is a bare mark, and only your own rules know where it leads; use weight=0`,
      );
    }
    const weights = weight === undefined ? undefined : this.#with(those, weight);
    if (weights !== undefined) await this.#refuseWeights(name, String(weight), weights);
    const said: string[] = [];
    if (weights !== undefined) said.push(together(those, await this.#setWeights(those, weights)));
    if (state !== undefined) said.push(together(those, await this.#setState(those, state)));
    const failure = this.#parts.keeper?.failure;
    const result = `${name}: ${said.join('; ')}`;
    if (failure === undefined) return result;
    throw new SystemError(
      'RULES_BEHIND',
      `${result}, but only for the daemon, since the rules could not follow: ${failure}; it tries again by itself`,
    );
  }

  /** The weights that replace the configured ones, with a new one for some members. */
  #with(those: readonly Settable[], weight: number | 'auto'): ReadonlyMap<string, number> {
    const weights = new Map(this.#parts.states.weights);
    for (const { target, configured } of those) {
      if (weight === 'auto' || weight === configured.weight) weights.delete(target.name);
      else weights.set(target.name, weight);
    }
    return weights;
  }

  async #refuseWeights(name: string, weight: string, weights: ReadonlyMap<string, number>): Promise<void> {
    const { members, keeper, what } = this.#parts;
    if (members.every((one) => (weights.get(one.target.name) ?? one.configured.weight) === 0)) {
      const remedy = members.some(({ target }) => target.name === name)
        ? 'give another 1 or more first'
        : 'use state=down, which leaves it the connections that it has';
      throw new UsageError(
        `with weight 0 for ${name} every ${what} has weight 0, so none takes new connections; ${remedy}`,
      );
    }
    const refusal = await keeper?.refusal(weights);
    if (refusal === undefined) return;
    throw new UsageError(`weight ${weight} for ${name} does not go with the rules: ${refusal}`);
  }

  async #setWeights(
    those: readonly Settable[],
    weights: ReadonlyMap<string, number>,
  ): Promise<readonly string[]> {
    const { states, keeper, uplinks } = this.#parts;
    const version = states.version;
    const said = those.map((member) => this.#setWeight(member, weights));
    if (states.version !== version) {
      uplinks?.reconsider();
      await keeper?.setStates(states);
    }
    return said;
  }

  #setWeight({ target, configured }: Settable, weights: ReadonlyMap<string, number>): string {
    const { states, logger, label } = this.#parts;
    const was = states.weight(target.name, configured.weight);
    const now = weights.get(target.name) ?? configured.weight;
    if (now === was) return `weight ${weightText(now)}, as before`;
    states.setWeight(target.name, weights.get(target.name));
    if ((now === 0) !== (was === 0)) states.turnedWeight(target.name);
    logger.info({ ...label(target.name), what: 'weight', now, was }, 'set');
    this.#note({ kind: 'set', target: target.name, what: 'weight', now: String(now), was: String(was) });
    const said = `weight ${weightText(now)}, was ${weightText(was)}`;
    const { name, ignoresWeights } = this.#parts.strategy;
    return ignoresWeights && now > 0 ? `${said}; strategy ${name} ignores weights above 0` : said;
  }

  async #setState(those: readonly Settable[], now: 'down' | 'auto'): Promise<readonly string[]> {
    const { uplinks, states, logger, settled, label } = this.#parts;
    const before = those.map(({ target: { name } }) => (states.isByHand(name) ? 'down' : 'auto'));
    for (const [i, { target }] of those.entries()) {
      const was = before[i];
      if (now === was) continue;
      states.setByHand(target.name, now === 'down');
      logger.info({ ...label(target.name), what: 'state', now, was }, 'set');
      this.#note({ kind: 'set', target: target.name, what: 'state', now, was: was! });
    }
    // Called even if the state was `auto` before, since that ends a hold-down.
    for (const { target } of those) uplinks?.setDown(target.name, now === 'down');
    await settled();
    return those.map(({ target }, i) => {
      const text = now === 'down' ? now : `auto (${this.#found(target)})`;
      return now === before[i] ? `state ${text}, as before` : `state ${text}, was ${before[i]}`;
    });
  }

  #note(happening: Happening): void {
    (this.#parts.events ?? NO_EVENTS).note(happening);
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

/** What is said of several members, in one line; once where it is the same of all. */
function together(those: readonly Settable[], said: readonly string[]): string {
  const [first] = said;
  if (said.every((one) => one === first))
    return those.length === 1 ? first! : `${first} (all ${those.length})`;
  return those.map(({ target }, i) => `${target.name} ${said[i]}`).join('; ');
}

function weightText(weight: number): string {
  return weight === 0 ? '0 (drain)' : String(weight);
}
