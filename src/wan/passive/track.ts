import { type Counts, Rate } from './rate.js';

/** What a look at one sampled connection found. The same connection is looked at again while it is unanswered. */
export interface Look {
  /** Of the connection. */
  readonly id: number;
  readonly wan: string;
  readonly decidedAt: number;
  readonly lookedAt: number;
  readonly dst: string;
  readonly dport: number;
  readonly answered: boolean;
  /** Whether it was looked at for the first time. */
  readonly first: boolean;
}

/** An unanswered connection. */
export interface Unanswered {
  readonly id: number;
  readonly decidedAt: number;
  /** How long it had been unanswered at the last look, in ms. */
  ageMs: number;
  readonly dst: string;
  readonly dport: number;
}

const MOST_UNANSWERED = 64;
const MOST_RECENT = 128;
/** Beyond, a connection says nothing about now. */
const STALE_MS = 30_000;

/** What is known of one WAN: the run of unanswered connections since the last answered one, and its history. */
export class Track {
  /** Connections that were decided after the last one that was answered, all unanswered; oldest first. */
  run: Unanswered[] = [];
  readonly #rate = new Rate();
  /** Answers that the first look did not find, among all answers. */
  readonly #late = new Rate();
  #recent: { decidedAt: number; answered: boolean }[] = [];
  #lastAnswered = Number.NEGATIVE_INFINITY;
  #began = Number.NEGATIVE_INFINITY;

  add(look: Look): void {
    if (look.answered) this.#answer(look);
    else this.#keepWaiting(look);
    this.#forget(look.lookedAt);
  }

  /** Drops the run; connections that were decided before `now` are no part of the next. */
  restart(now: number): void {
    this.run = [];
    this.#began = now;
  }

  /** Answered and unanswered of the last minute or two, without the present run. */
  counts(now: number): Counts {
    return this.#rate.counts(now);
  }

  /** Of the connections that were decided since. */
  since(time: number): Counts {
    const answered = this.#recent.filter((one) => one.answered && one.decidedAt >= time).length;
    const broken = this.#recent.filter((one) => !one.answered && one.decidedAt >= time).length;
    return { answered, unanswered: broken + this.run.filter(({ decidedAt }) => decidedAt >= time).length };
  }

  /** More than one answer in twenty takes long: a satellite, a full buffer. */
  isSlow(now: number): boolean {
    const { answered, unanswered } = this.#late.counts(now);
    return answered > 0.05 * (answered + unanswered);
  }

  #answer(look: Look): void {
    this.#lastAnswered = Math.max(this.#lastAnswered, look.decidedAt);
    this.#late.add(!look.first, look.lookedAt);
    const over = this.run.filter(({ decidedAt, id }) => decidedAt <= look.decidedAt || id === look.id);
    this.run = this.run.filter((one) => !over.includes(one));
    // One that was in the run has been looked at in vain: for the next run it counts as unanswered.
    const late = over.some(({ id }) => id === look.id);
    for (const one of over) this.#count(one.decidedAt, false, look.lookedAt);
    if (!late) this.#count(look.decidedAt, true, look.lookedAt);
    else this.#recent.push({ decidedAt: look.decidedAt, answered: true });
  }

  #keepWaiting(look: Look): void {
    const ageMs = look.lookedAt - look.decidedAt;
    const known = this.run.find(({ id }) => id === look.id);
    if (known !== undefined) known.ageMs = ageMs;
    else if (look.decidedAt < this.#began) return;
    // Decided before another that was answered: its destination is dead.
    else if (look.decidedAt <= this.#lastAnswered) {
      if (look.first) this.#count(look.decidedAt, false, look.lookedAt);
    } else this.run.push({ id: look.id, decidedAt: look.decidedAt, ageMs, dst: look.dst, dport: look.dport });
  }

  #count(decidedAt: number, answered: boolean, now: number): void {
    this.#rate.add(answered, now);
    this.#recent.push({ decidedAt, answered });
  }

  #forget(now: number): void {
    const old = this.run.filter(
      ({ decidedAt }, i) => decidedAt < now - STALE_MS || i < this.run.length - MOST_UNANSWERED,
    );
    for (const one of old) this.#rate.add(false, one.decidedAt);
    if (old.length > 0) this.run = this.run.filter((one) => !old.includes(one));
    if (this.#recent.length > MOST_RECENT) this.#recent.splice(0, this.#recent.length - MOST_RECENT);
  }
}
