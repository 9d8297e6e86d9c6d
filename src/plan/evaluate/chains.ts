import type { Action, Choice, FamilyPlan, Hook, MarkBits, Rule, Share, Stage } from '../plan.js';
import { allHold, hasBits, type Passing } from './match.js';
import type { Packet, Surroundings } from './packet.js';

/** Those whom the rules ask. */
export interface Deciders {
  /**
   * The daemon's answer by the first of some queues: the packet's mark with a choice in it; undefined where no daemon listens,
   * or it leaves it to the kernel.
   */
  readonly answer: (mark: number, queue: number) => number | undefined;
  /** The kernel's own draw. */
  readonly draw: (choice: Choice) => Share;
}

/** A rule that a packet met. */
export interface Step {
  readonly stage: Stage;
  readonly base: Hook['base'];
  readonly chain: string;
  readonly rule: Rule;
  /** The packet as the rule saw it. */
  readonly seen: Passing;
}

/** The new source of a packet. */
export type Translation =
  | { readonly kind: 'masquerade' }
  | Extract<Action, { kind: 'snat' }>
  | Extract<Action, { kind: 'netmap' }>;

/** What a rule means for the rest of a packet's way: the next rule behind the call, the end of the stage, or all of it again. */
type Verdict = 'on' | 'end' | 'again';

/** A daemon that gave the same answer again and again would be asked for ever. */
const MOST_PASSES = 4;

/** Carries out the chains of a plan for one packet. Nothing is asked of the machine, and nothing is changed on it. */
export class Chains {
  readonly #plan: FamilyPlan;
  readonly #deciders: Deciders;
  #passing: Passing;
  /** The rules that the packet met, in the order in which it met them. */
  readonly steps: Step[] = [];
  /** The rules of which nobody can tell, since the description leaves out what they ask for; they were passed by. */
  readonly unsure: Step[] = [];
  /** Whether a daemon was asked, and whether it answered. */
  wasAsked = false;
  wasAnswered = false;
  translation: Translation | undefined;

  constructor(plan: FamilyPlan, packet: Packet, around: Surroundings, deciders: Deciders) {
    this.#plan = plan;
    this.#deciders = deciders;
    const { mark, dst } = packet;
    this.#passing = {
      packet,
      dst,
      isTranslated: false,
      mark,
      connmark: 0,
      out: undefined,
      sets: plan.sets,
      around,
    };
  }

  get passing(): Passing {
    return this.#passing;
  }

  /** The packet is going to leave by this device. */
  leaveBy(out: string | undefined): void {
    this.#change({ out });
  }

  /** Carries out one stage at one place. */
  run(stage: Stage, base: Hook['base']): void {
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      if (this.#hooks(stage, base) !== 'again') return;
    }
  }

  #hooks(stage: Stage, base: Hook['base']): Verdict {
    for (const hook of this.#plan.stages[stage].hooks) {
      if (hook.base !== base) continue;
      const rule: Rule = { when: hook.when ?? [], action: { kind: 'jump', chain: hook.chain } };
      const verdict = this.#rule({ stage, base, chain: base, rule });
      if (verdict === 'end' || verdict === 'again') return verdict;
    }
    return 'end';
  }

  #chain(stage: Stage, base: Hook['base'], chain: string): Verdict {
    for (const rule of this.#rulesOf(stage, chain)) {
      const verdict = this.#rule({ stage, base, chain, rule });
      if (verdict === 'return') return 'on';
      if (verdict !== 'on') return verdict;
    }
    return 'on';
  }

  #rule(at: Omit<Step, 'seen'>): Verdict | 'return' {
    const step = { ...at, seen: this.#passing };
    const met = allHold(at.rule.when, this.#passing);
    if (met === false) return 'on';
    if (met === 'unknown') {
      this.unsure.push(...this.#doubtful(step));
      return 'on';
    }
    const { action } = at.rule;
    if (action === undefined) return 'on';
    this.steps.push(step);
    return this.#act(action, at);
  }

  /** The rules that a packet might meet by a rule of which nobody can tell: where it enters a chain, those in there. */
  #doubtful(step: Step): Step[] {
    const { action } = step.rule;
    if (action?.kind !== 'jump') return [step];
    const { stage, base, seen } = step;
    const inside = this.#rulesOf(stage, action.chain)
      .map((rule): Step => ({ stage, base, chain: action.chain, rule, seen }))
      .filter(({ rule }) => allHold(rule.when, seen) !== false);
    return inside.flatMap((one) =>
      allHold(one.rule.when, seen) === 'unknown' ? this.#doubtful(one) : [step],
    );
  }

  #rulesOf(stage: Stage, chain: string): readonly Rule[] {
    return this.#plan.stages[stage].chains.find(({ name }) => name === chain)?.rules ?? [];
  }

  #act(action: Action, { stage, base }: Omit<Step, 'seen'>): Verdict | 'return' {
    const { mark, connmark } = this.#passing;
    switch (action.kind) {
      case 'return':
        return 'return';
      case 'accept':
        return 'end';
      case 'goto': {
        const verdict = this.#chain(stage, base, action.chain);
        return verdict === 'on' ? 'return' : verdict;
      }
      case 'jump':
        return this.#chain(stage, base, action.chain);
      case 'restore':
        this.#change({ mark: withBits(mark, { value: connmark, mask: action.mask }) });
        return 'on';
      case 'save':
        this.#change({ connmark: withBits(connmark, { value: mark, mask: action.mask }) });
        return 'on';
      case 'set-mark':
        this.#change({ mark: withBits(mark, action.bits) });
        return 'on';
      case 'set-connmark':
        this.#change({ connmark: withBits(connmark, action.bits) });
        return 'on';
      case 'queue': {
        this.wasAsked = true;
        const answer = this.#deciders.answer(mark, action.first);
        // A queue without a listener ends the stage (nf_queue with NF_VERDICT_FLAG_QUEUE_BYPASS).
        if (answer === undefined) return 'end';
        this.wasAnswered = true;
        this.#change({ mark: answer });
        return 'again';
      }
      case 'choose': {
        const { choice } = action;
        if (!hasBits(mark, { value: choice.undecided ?? 0, mask: choice.mask })) return 'on';
        const { value } = this.#deciders.draw(choice);
        this.#change({ mark: withBits(mark, { value, mask: choice.mask }) });
        return 'on';
      }
      case 'masquerade':
        this.translation = { kind: action.kind };
        return 'end';
      case 'snat':
      case 'netmap':
        this.translation = action;
        return 'end';
      case 'dnat':
        this.#change({ dst: addressOf(action.to), isTranslated: true });
        return 'end';
      case 'remember':
      case 'forget':
      case 'log':
        return 'on';
    }
  }

  #change(more: Partial<Passing>): void {
    this.#passing = { ...this.#passing, ...more };
  }
}

/** Replaces the bits of the mask. */
export function withBits(mark: number, { value, mask }: MarkBits): number {
  return ((mark & ~mask) | (value & mask)) >>> 0;
}

/** The address of `10.1.2.3:8080` or `[fd00::1]:80`. */
function addressOf(endpoint: string): string {
  const bracketed = /^\[(.*)\]/.exec(endpoint)?.[1];
  if (bracketed !== undefined) return bracketed;
  return endpoint.split(':').length === 2 ? endpoint.split(':', 1)[0]! : endpoint;
}
