import { parseAddress } from '../core/address.js';
import type { HashField } from '../core/flow-hash.js';
import type { Tuple } from '../core/tuple.js';
import { loadAddon } from '../native.js';
import type { NativePlans, QueueAddon } from './native.js';

/** How many choices a sequence can be ahead, as in native/queue/plans.h. */
export const MOST_AHEAD = 4096;

/** Which packets a plan is for. */
export interface PlanKey {
  /** The value of the field of the mark, in its place: 0, or one that says how a packet is to be decided. */
  readonly field: number;
  readonly family: 4 | 6;
}

/** How far the queues have come with a sequence. */
export interface Progress {
  /** Choices that are planned and not used. */
  readonly ahead: number;
  /** How many were used since the plan was made, modulo 2^32, the repeated ones among them. */
  readonly used: number;
  /** How many of these repeated an earlier choice because there were no others, modulo 2^32. */
  readonly repeated: number;
}

/** The bits by which native code knows the fields of a hash. */
const FIELD_BITS: Readonly<Record<HashField, number>> = { src: 1, sport: 2, dst: 4, dport: 8, proto: 16 };

/**
 * Choices that are made beforehand, from which the queues that are opened with them answer at once: see
 * {@link QueueOptions.plans}. A packet is asked about as without a plan where there is none for it, and always when it is
 * an ICMP error, or of a device or flow that is to be asked about.
 */
export class Plans {
  readonly native: NativePlans;
  readonly #progress = new Uint32Array(3);

  constructor() {
    const { Plans: Native } = loadAddon<QueueAddon>();
    this.native = new Native();
  }

  /**
   * Makes a sequence go on with these marks; it is begun where there was none, or a table.
   * @param repeat how many of its last choices are used again and again when it runs out, of those that were added since
   *   others were replaced; 0: none, so packets are asked about
   * @param repeated the {@link Progress.repeated} that these marks go on from
   * @param whole whether what is repeated is what would follow, so that {@link QueueOptions.onTold} is not called for more
   * @returns how many marks had room: a sequence is never ahead by more than {@link MOST_AHEAD}; undefined where more has been
   *   repeated by now, so they would not follow, and none was taken
   */
  append(
    { field, family }: PlanKey,
    marks: Uint32Array,
    repeat: number,
    repeated: number,
    whole = false,
  ): number | undefined {
    return this.native.append(field, family, marks, repeat, repeated, whole);
  }

  /**
   * Replaces, in one step, what follows the choices that are kept, as far as it is not used yet.
   * @param kept the `keep` choices that came next when {@link Progress.used} was `used`: what the queues may use while the
   *   others are found
   * @returns the progress up to then
   */
  replace(
    { field, family }: PlanKey,
    marks: Uint32Array,
    repeat: number,
    kept: { readonly used: number; readonly keep: number },
  ): Progress {
    this.native.replace(field, family, marks, repeat, kept.used, kept.keep, this.#progress);
    return this.#read();
  }

  /**
   * Answers by the place of a flow's hash (src/core/flow-hash.ts) from now on.
   * @param marks one for each place, 1 to 65,536
   */
  setTable({ field, family }: PlanKey, marks: Uint32Array, fields: readonly HashField[]): void {
    const bits = fields.reduce((sum, name) => sum | FIELD_BITS[name], 0);
    this.native.setTable(field, family, marks, bits);
  }

  /** Makes the packets of another family use up the plan, which there must be, too: in one order for both. */
  share({ field, family }: PlanKey, other: 4 | 6): void {
    this.native.share(field, family, other);
  }

  /**
   * Takes a plan away, of all that share it: packets are asked about from now on.
   * @returns the progress up to then
   */
  clear({ field, family }: PlanKey): Progress {
    this.native.clear(field, family, this.#progress);
    return this.#read();
  }

  /**
   * Uses the next choice of a sequence for a packet that was asked about; {@link countIn} does not count it.
   * @returns undefined where there is none
   */
  take({ field, family }: PlanKey): number | undefined {
    return this.native.take(field, family);
  }

  progress({ field, family }: PlanKey): Progress {
    this.native.progress(field, family, this.#progress);
    return this.#read();
  }

  /**
   * Has {@link QueueOptions.onTold} called for some of a plan's choices, by which it can be seen what becomes of
   * connections, or again for each one, as by default. Holds until another plan is made for the key; there must be one.
   */
  tellSome({ field, family }: PlanKey, some: boolean): void {
    this.native.tellSome(field, family, some);
  }

  /** How many packets were given each mark since the last call, by the plan that there is or by earlier ones. */
  takeCounts({ field, family }: PlanKey): ReadonlyMap<number, number> {
    const pairs = this.native.takeCounts(field, family);
    const counts = new Map<number, number>();
    for (let i = 0; i < pairs.length; i += 2) counts.set(pairs[i]!, pairs[i + 1]!);
    return counts;
  }

  /**
   * Adds 1 to the element `mark >>> shift` of `words` at each choice, where there is one; undefined: counts nowhere.
   * Other threads write, so it is only to be read.
   */
  countIn(words: Uint32Array | undefined, shift: number): void {
    this.native.countIn(words, shift);
  }

  /** Packets that came in by these devices are asked about. */
  askByInterface(ifindexes: readonly number[]): void {
    this.native.askByInterface(Uint32Array.from(ifindexes));
  }

  /** Packets of this flow are asked about for a while, in milliseconds. */
  askByFlow({ family, proto, src, sport, dst, dport }: Tuple, forMs: number): void {
    this.native.askByFlow(family, proto, parseAddress(src), sport, parseAddress(dst), dport, forMs);
  }

  #read(): Progress {
    const [ahead = 0, used = 0, repeated = 0] = this.#progress;
    return { ahead, used, repeated };
  }
}
