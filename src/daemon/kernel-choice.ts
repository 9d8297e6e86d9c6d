import type { TargetId } from '../core/target.js';
import { isRefusal } from '../errors.js';
import { NO_STATES, type PlanStates } from '../plan/states.js';
import { installedConfig, readInstalled, rulesAreUp } from '../system/installed.js';
import type { Changing } from './changing.js';

export interface KernelChoiceParts {
  readonly changing: Pick<Changing, 'choice' | 'refusal'>;
  /** Looks at all rules and mends them. */
  readonly pass: () => Promise<void>;
  /** Told when the choice goes by the states without a pass. */
  readonly onChanged: () => void;
  /** Told when a change failed that nobody expected to fail. */
  readonly onFault: (error: unknown) => void;
}

/** Has the kernel's own choice go by the states of the WANs and servers. */
export class KernelChoice {
  readonly #parts: KernelChoiceParts;
  #states: PlanStates | undefined;
  /** Settles when the rules go by the states that were given last. */
  #following: Promise<void> = Promise.resolve();
  /** The targets that were down when the states were given last; the states themselves change meanwhile. */
  #down: ReadonlySet<TargetId> = new Set();

  constructor(parts: KernelChoiceParts) {
    this.#parts = parts;
  }

  /** Undefined: none were given, and the choice that a daemon left in the rules stays. */
  get states(): PlanStates | undefined {
    return this.#states;
  }

  /** Takes the first states, unless there are some; the caller has the rules go by them. */
  begin(states: PlanStates): void {
    this.#states ??= states;
  }

  /**
   * Gives the states that the choice goes by, from now on and after each `up`.
   * @returns when the rules go by them, could not be changed, or are not there
   */
  follow(states: PlanStates): Promise<void> {
    const isBack = [...this.#down].some((id) => !states.down.has(id));
    this.#states = states;
    this.#down = states.down;
    // One change after another, since each takes the lock, and a WAN dies in both families at once.
    // A failure must not keep the next change from being made.
    this.#following = this.#following.then(() => this.#change(isBack)).catch(this.#parts.onFault);
    return this.#following;
  }

  /** Why the rules cannot have these weights; undefined when they can, or there are no rules. Changes nothing. */
  async refusal(weights: ReadonlyMap<string, number>): Promise<string | undefined> {
    const installed = readInstalled();
    if (!rulesAreUp() || installed === undefined) return undefined;
    const { choiceRefusal } = await this.#parts.changing.refusal();
    return choiceRefusal(installedConfig(installed), { ...NO_STATES, weights });
  }

  /**
   * The kernel takes a WAN's routes away with its device, so a WAN that is back needs a pass, which restores them. Any
   * other change needs no shell: the choice is changed directly, and the next look at the fingerprint sees to the rest.
   */
  async #change(isBack: boolean): Promise<void> {
    if (this.#states === undefined) return;
    const { pass, onChanged } = this.#parts;
    if (!isBack && (await this.#choose(this.#states))) onChanged();
    else await pass();
  }

  /** @returns whether the choice goes by the states; otherwise a pass has to see to it, and to say what is wrong */
  async #choose(states: PlanStates): Promise<boolean> {
    const { changeChoice } = await this.#parts.changing.choice();
    try {
      return await changeChoice(states);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return false;
    }
  }
}
