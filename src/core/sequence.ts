import type { Candidate } from './candidate.js';
import type { Counts } from './counts.js';
import type { Fault } from './fault.js';
import type { Flow } from './flow.js';
import type { SequenceForm, Strategy } from './strategy.js';

/** A strategy that can say its choices beforehand. */
export interface SequenceStrategy extends Strategy {
  readonly sequence: SequenceForm;
}

/** Whether a strategy can say its choices beforehand. */
export function hasSequence(strategy: Strategy): strategy is SequenceStrategy {
  return strategy.sequence !== undefined;
}

/**
 * The choices of a strategy among one set of candidates, said before there are connections for them.
 *
 * A choice is outstanding from when it is said until it is either used or taken back. What is said is what as many calls
 * of `pick` would have answered, each followed by its connection. When all that is outstanding is taken back, the
 * strategy is as if it had never been asked, so the next choices go on behind those that were used: shares stay exact.
 *
 * Taking back subtracts what a choice added to the strategy's memory. So there may be several sequences of a set at a
 * time, and picks in between, which go on behind what is outstanding and stay counted.
 */
export class Sequence {
  readonly wans: readonly Candidate[];
  readonly #strategy: SequenceStrategy;
  readonly #counts: Counts | undefined;
  /** The strategy's own numbers. */
  readonly #turns: number[];
  /** Indexes into the candidates by their marks. */
  readonly #indexes: ReadonlyMap<number, number>;
  /** How many choices are outstanding for each candidate. */
  readonly #saidFor: number[];
  /** What is outstanding, the oldest at {@link #start}. */
  #choices = new Uint16Array(64);
  /** What each of these added to the strategy's numbers, one after the other. */
  #added: Float64Array;
  #start = 0;
  #length = 0;

  /** @param counts those that the strategy sees; an outstanding choice counts as a connection when it is asked for more */
  constructor(strategy: SequenceStrategy, wans: readonly Candidate[], counts?: Counts) {
    this.wans = wans;
    this.#strategy = strategy;
    this.#counts = counts;
    this.#turns = strategy.sequence.turns(wans);
    this.#indexes = new Map(wans.map(({ mark }, i) => [mark, i]));
    this.#saidFor = wans.map(() => 0);
    this.#added = new Float64Array(this.#choices.length * this.#turns.length);
  }

  /** How many choices are outstanding. */
  get length(): number {
    return this.#length;
  }

  /**
   * Says the next choices, behind those that are outstanding.
   * @param into gets them from its start, as indexes into `wans`
   * @returns how many were said: all that `into` has room for, or fewer when the strategy failed
   */
  next(into: Uint16Array, onFault: (fault: Fault, given: unknown) => void): number {
    this.#reserve(this.#length + into.length);
    if (this.#counts !== undefined) this.#counts.said = this.#saidByMark;
    try {
      for (let i = 0; i < into.length; i++) {
        const index = this.#say(onFault);
        if (index < 0) return i;
        into[i] = index;
      }
      return into.length;
    } finally {
      if (this.#counts !== undefined) this.#counts.said = undefined;
    }
  }

  /**
   * The oldest `count` outstanding choices have become connections, which the source of the counts counts from now on.
   * @throws RangeError when fewer are outstanding
   */
  used(count: number): void {
    if (count > this.#length)
      throw new RangeError(`${count} of ${this.#length} outstanding choices were used`);
    for (let i = this.#start; i < this.#start + count; i++) this.#saidFor[this.#choices[i]!]!--;
    this.#start += count;
    this.#length -= count;
    if (this.#length === 0) this.#start = 0;
  }

  /** Takes back what is outstanding. @param keep how many stay, the oldest ones */
  takeBack(keep = 0): void {
    const width = this.#turns.length;
    for (; this.#length > keep; this.#length--) {
      const i = this.#start + this.#length - 1;
      for (let turn = 0; turn < width; turn++) this.#turns[turn]! -= this.#added[i * width + turn]!;
      this.#saidFor[this.#choices[i]!]!--;
    }
    if (this.#length === 0) this.#start = 0;
  }

  readonly #saidByMark = (mark: number): number => {
    const index = this.#indexes.get(mark);
    return index === undefined ? 0 : this.#saidFor[index]!;
  };

  /** Says one choice. @returns its index; -1 when the strategy failed, which then changed nothing */
  #say(onFault: (fault: Fault, given: unknown) => void): number {
    const width = this.#turns.length;
    const at = this.#start + this.#length;
    for (let turn = 0; turn < width; turn++) this.#added[at * width + turn] = -this.#turns[turn]!;
    const index = this.#ask(onFault);
    for (let turn = 0; turn < width; turn++) this.#added[at * width + turn]! += this.#turns[turn]!;
    if (index < 0) {
      for (let turn = 0; turn < width; turn++) this.#turns[turn]! -= this.#added[at * width + turn]!;
      return index;
    }
    this.#choices[at] = index;
    this.#saidFor[index]!++;
    this.#length++;
    return index;
  }

  #ask(onFault: (fault: Fault, given: unknown) => void): number {
    let chosen: Candidate;
    try {
      chosen = this.#strategy.pick(NO_FLOW, this.wans);
    } catch (error) {
      onFault('threw', error);
      return -1;
    }
    const index = this.wans.indexOf(chosen);
    if (index < 0) onFault('returned no candidate', chosen);
    return index;
  }

  /** Makes room for `length` outstanding choices behind {@link #start}. */
  #reserve(length: number): void {
    if (this.#start + length <= this.#choices.length) return;
    const width = this.#turns.length;
    const end = this.#start + this.#length;
    const [choices, added] = [
      this.#choices.subarray(this.#start, end),
      this.#added.subarray(this.#start * width, end * width),
    ];
    if (2 * length > this.#choices.length) {
      this.#choices = new Uint16Array(2 * length);
      this.#added = new Float64Array(2 * length * width);
    }
    this.#choices.set(choices);
    this.#added.set(added);
    this.#start = 0;
  }
}

/** Stands for a packet where there is none. */
const NO_FLOW = new Proxy({} as Flow, {
  get(_target, name) {
    throw new TypeError(`a strategy that declares a sequence must not read its flow (${String(name)})`);
  },
});
