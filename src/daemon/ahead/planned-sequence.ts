import type { Candidate } from '../../core/candidate.js';
import type { MarkField } from '../../core/mark.js';
import type { Ahead, Pool } from '../../core/pool.js';
import { Sequence, type SequenceStrategy } from '../../core/sequence.js';
import { MOST_AHEAD, type PlanKey, type Plans, type Progress } from '../../queue/plans.js';
import type { ChosenBy } from './chosen-by.js';

/** How many choices are said beforehand at first; more where they are used up fast. */
const FEW = 256;
/** The same for choices by counts: so many at once, within the time in which they are not said anew, are spread evenly. */
const FEW_BY_COUNTS = 512;
/** Choices that half are used up of within this time are said more of, so that they are not said all the time. */
const OFTEN_MS = 40;
/** How many are said first where the queues have none: what takes less time than they need for two. */
const AT_ONCE = 8;

/**
 * The choices of a pool for one family, said beforehand to the queues, which use them up in their order.
 *
 * The strategy hears what was used, and takes back what was not when the plan ends, so its shares are those of as many
 * single questions. Where the queues run out they repeat the last round. That is what strategies by weight would go on with,
 * so of these nothing more is said; others say more in time, and are repeated only where this process stands still.
 */
export class PlannedSequence {
  readonly #plans: Plans;
  readonly #key: PlanKey;
  readonly #pool: Pool;
  readonly #sequence: Sequence;
  /** What a choice is in a mark, by its index. */
  readonly #marks: readonly number[];
  /** See {@link roundOf}; undefined where there is none. */
  readonly #round: number | undefined;
  /** Whether whole rounds are all that there is to say, since the next ones are the same. */
  readonly #isPeriodic: boolean;
  /** How many were said in all. */
  #said = 0;
  #target: number;
  #used = 0;
  #repeated = 0;
  #saidAt = Number.NEGATIVE_INFINITY;

  /** @param shared whether the packets of the other family use up the same choices */
  constructor(
    plans: Plans,
    key: PlanKey,
    field: MarkField,
    pool: Pool,
    { list, members, sequence }: Ahead & { readonly sequence: SequenceStrategy },
    { chosenBy, shared }: { readonly chosenBy: ChosenBy | undefined; readonly shared: boolean },
  ) {
    this.#plans = plans;
    this.#key = key;
    this.#pool = pool;
    this.#sequence = new Sequence(sequence, list, chosenBy?.counts);
    this.#marks = members.map(({ configured }) => field.encode(configured.mark));
    // By counts there is no round; all that was said together is even.
    this.#round = chosenBy === undefined ? roundOf(sequence, list) : undefined;
    this.#isPeriodic = this.#round !== undefined && sequence.sequence.period?.(list) === this.#round;
    this.#target = this.#round === undefined ? FEW_BY_COUNTS : Math.max(FEW, this.#round);
    this.#append();
    if (shared) plans.share(key, key.family === 4 ? 6 : 4);
  }

  /** Has some or each of the choices told. */
  tellSome(some: boolean): void {
    this.#plans.tellSome(this.#key, some);
  }

  /**
   * Takes in what was used, and says more where half or less is left, unless the queues repeat what there is to say.
   * @param now milliseconds of a clock
   */
  refill(now: number): void {
    this.#settle(this.#plans.progress(this.#key));
    if (this.#isPeriodic && this.#said >= this.#round!) return;
    if (this.#sequence.length > this.#target / 2) return;
    if (now - this.#saidAt < OFTEN_MS) this.#target = Math.min(MOST_AHEAD, 2 * this.#target);
    this.#saidAt = now;
    this.#append();
  }

  /**
   * Says the choices anew, since the counts have moved: all but the few that the queues may use meanwhile.
   * @returns how many were used since the last time
   */
  renew(): number {
    const progress = this.#plans.progress(this.#key);
    const used = this.#settle(progress);
    this.#target = Math.min(MOST_AHEAD, Math.max(FEW_BY_COUNTS, 2 * used));
    const keep = Math.min(this.#sequence.length, Math.ceil(used / 4));
    this.#sequence.takeBack(keep);
    const marks = this.#next(this.#target - keep);
    const kept = { used: progress.used, keep };
    const until = this.#plans.replace(this.#key, marks, this.#round ?? MOST_AHEAD, kept);
    // The queues may have used more than was kept: what they took then was taken back here, and is not in these.
    const meanwhile = (until.used - this.#used) >>> 0;
    this.#used = until.used;
    this.#repeated = until.repeated;
    this.#sequence.used(Math.min(keep, meanwhile));
    return used + meanwhile;
  }

  /** Takes the plan away, so that packets are asked about. */
  end(): void {
    this.#settle(this.#plans.clear(this.#key));
    this.#sequence.takeBack();
  }

  #append(): void {
    // The queues that have run out repeat choices while more are found, which these must follow. So there are a few at
    // first, which are found quickly, and as many again as they have left while they use those.
    while (this.#sequence.length < this.#target) {
      const { length } = this.#sequence;
      const taken = this.#appendSome(Math.min(this.#target - length, Math.max(AT_ONCE, length)));
      if (taken === undefined) this.#settle(this.#plans.progress(this.#key));
      else if (taken === 0) return;
    }
  }

  /** @returns how many there are more; undefined where the queues have run out since, so they were not taken */
  #appendSome(count: number): number | undefined {
    const { length } = this.#sequence;
    const marks = this.#next(count);
    const whole = this.#isPeriodic && this.#said + marks.length >= this.#round!;
    const taken = this.#plans.append(this.#key, marks, this.#round ?? MOST_AHEAD, this.#repeated, whole);
    this.#said += taken ?? 0;
    this.#sequence.takeBack(length + (taken ?? 0));
    return taken;
  }

  #next(count: number): Uint32Array {
    const indexes = new Uint16Array(count);
    const said = this.#sequence.next(indexes, this.#pool.fault);
    return Uint32Array.from(indexes.subarray(0, said), (index) => this.#marks[index]!);
  }

  /** Takes in how far the queues are. @returns how many choices they have used since the last time */
  #settle({ used, repeated }: Progress): number {
    const usedSince = (used - this.#used) >>> 0;
    const repeatedSince = (repeated - this.#repeated) >>> 0;
    this.#used = used;
    this.#repeated = repeated;
    this.#sequence.used(usedSince - repeatedSince);
    // What was repeated counts as if it had been said; after whole rounds the strategy is where it was.
    if (this.#round !== undefined && repeatedSince > 0) {
      const rest = new Uint16Array(repeatedSince % this.#round);
      this.#sequence.used(this.#sequence.next(rest, this.#pool.fault));
    }
    return usedSince;
  }
}

/**
 * After how many choices the next ones are the same again, as far as that is known; where that are too many, as many as
 * there is room for.
 */
function roundOf({ sequence }: SequenceStrategy, wans: readonly Candidate[]): number {
  const sum = wans.reduce((total, { weight }) => total + weight, 0);
  // Turns take as many as there are candidates, and shares by weight their sum.
  const round = sequence.period?.(wans) ?? sum * wans.length;
  return round <= MOST_AHEAD ? round : Math.min(sum, MOST_AHEAD);
}
