import { type Counts, Rate } from './rate.js';

/** The result of a look at one sampled connection. A connection is looked at repeatedly while it is unanswered. */
export interface Look {
  /** The connection's id, the same in every look. */
  readonly id: number;
  readonly wan: string;
  readonly decidedAt: number;
  readonly lookedAt: number;
  readonly dst: string;
  readonly dport: number;
  readonly answered: boolean;
  /** The connection's age at the look before, when it was unanswered, in ms; 0 at the first look. */
  readonly knownMs: number;
}

/** An unanswered connection. */
export interface Unanswered {
  readonly id: number;
  readonly decidedAt: number;
  /** How long the connection had been unanswered at the last look, in ms. */
  ageMs: number;
  readonly dst: string;
  readonly dport: number;
}

const MOST_UNANSWERED = 64;
const MOST_RECENT = 128;
/** An older connection says nothing about the present. */
const STALE_MS = 30_000;

/** Ages from which an unanswered connection is unusual: on a prompt WAN, on a usual one and on a slow one. */
const PROMPT_MS = 250;
const USUAL_MS = 500;
const SLOW_MS = 1000;
const AGES_MS = [PROMPT_MS, USUAL_MS, SLOW_MS] as const;
/** The share of answers that may take longer than a WAN's age. */
const LATE = { prompt: 0.02, usual: 0.05, lately: 0.1 } as const;
/** Least answers before a WAN counts as prompt. */
const LEAST_PROMPT = 20;
/** Least answers in the last seconds before late ones mean a buffer that fills. */
const LEAST_LATELY = 4;
/** Half-life of the recent rates: a line that begins to lose packets shows it after some seconds. */
const LATE_HALF_LIFE_MS = 5000;

/** What is known about one WAN: the run of unanswered connections since the last answered one, and the history. */
export class Track {
  /** Connections that were decided after the last one that was answered, all unanswered; oldest first. */
  run: Unanswered[] = [];
  readonly #rate = new Rate();
  /** For each age the rate of answers, where later ones count as `unanswered`. */
  readonly #lateAfter = new Map(AGES_MS.map((ms) => [ms, new Rate()]));
  /** The same rates as `#lateAfter`, of the last seconds. */
  readonly #lately = new Map(AGES_MS.map((ms) => [ms, new Rate(LATE_HALF_LIFE_MS)]));
  #recent: { decidedAt: number; answered: boolean }[] = [];
  #lastAnswered = Number.NEGATIVE_INFINITY;
  #heardAt = Number.NEGATIVE_INFINITY;
  #began = Number.NEGATIVE_INFINITY;

  add(look: Look): void {
    if (look.answered) this.#answer(look);
    else this.#keepWaiting(look);
    this.#forget(look.lookedAt);
  }

  /** Drops the run. Connections that were decided before `now` do not count in the next one. */
  restart(now: number): void {
    this.run = [];
    this.#began = now;
  }

  /** When the last answer was found, to any connection: a full buffer keeps delivering, a dead line does not. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Answered and unanswered connections of the last minute or two, without the present run. */
  counts(now: number): Counts {
    return this.#rate.counts(now);
  }

  /** Answers of the last seconds; those later than {@link Track.evidenceMs}, to retransmissions, count as unanswered. */
  lateness(now: number): Counts {
    return this.#lately.get(this.evidenceMs(now))!.counts(now);
  }

  /** Answered and unanswered connections that were decided at `time` or later. */
  since(time: number, now: number): Counts {
    const evidenceMs = this.evidenceMs(now);
    const answered = this.#recent.filter((one) => one.answered && one.decidedAt >= time).length;
    const broken = this.#recent.filter((one) => !one.answered && one.decidedAt >= time).length;
    const waiting = this.run.filter((one) => one.decidedAt >= time && one.ageMs >= evidenceMs).length;
    return { answered, unanswered: broken + waiting };
  }

  /** The age from which an unanswered connection is unusual on this WAN; higher for a satellite or a full buffer. */
  evidenceMs(now: number): (typeof AGES_MS)[number] {
    const late = (rate: Rate) => {
      const { answered, unanswered } = rate.counts(now);
      return { share: unanswered / (answered + unanswered || 1), total: answered + unanswered };
    };
    const lately = late(this.#lately.get(USUAL_MS)!);
    if (lately.total >= LEAST_LATELY && lately.share > LATE.lately) return SLOW_MS;
    if (late(this.#lateAfter.get(USUAL_MS)!).share > LATE.usual) return SLOW_MS;
    const prompt = late(this.#lateAfter.get(PROMPT_MS)!);
    return prompt.total >= LEAST_PROMPT && prompt.share <= LATE.prompt ? PROMPT_MS : USUAL_MS;
  }

  isSlow(now: number): boolean {
    return this.evidenceMs(now) === SLOW_MS;
  }

  #answer(look: Look): void {
    const { id, decidedAt, lookedAt, knownMs } = look;
    this.#lastAnswered = Math.max(this.#lastAnswered, decidedAt);
    this.#heardAt = Math.max(this.#heardAt, lookedAt);
    for (const after of AGES_MS)
      for (const rates of [this.#lateAfter, this.#lately]) rates.get(after)!.add(knownMs < after, lookedAt);
    const evidenceMs = this.evidenceMs(lookedAt);
    const over = this.run.filter((one) => one.decidedAt <= decidedAt || one.id === id);
    this.run = this.run.filter((one) => !over.includes(one));
    // A connection of the run that is old enough counts as unanswered in the history. Younger ones are counted later.
    for (const one of over) if (one.ageMs >= evidenceMs) this.#count(one.decidedAt, false, lookedAt);
    if (knownMs < evidenceMs) this.#count(decidedAt, true, lookedAt);
    else this.#recent.push({ decidedAt, answered: true });
  }

  #keepWaiting(look: Look): void {
    const { id, decidedAt, lookedAt, dst, dport } = look;
    const ageMs = lookedAt - decidedAt;
    const known = this.run.find((one) => one.id === id);
    if (known !== undefined) {
      known.ageMs = ageMs;
    } else if (decidedAt <= this.#lastAnswered) {
      // A later connection was answered, so the destination of this one is dead.
      const evidenceMs = this.evidenceMs(lookedAt);
      if (look.knownMs < evidenceMs && ageMs >= evidenceMs) this.#count(decidedAt, false, lookedAt);
    } else if (decidedAt >= this.#began) {
      this.run.push({ id, decidedAt, ageMs, dst, dport });
    }
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
