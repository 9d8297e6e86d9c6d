import { Rate } from './rate.js';

/** Just before a client sends its SYN again for the first time, after 1 s (RFC 6298). */
export const FIRST_SYN_MS = 900;
/** Just before the SYN that a client sends after 3 s, by the usual doubling (1, 3, 7 s) as by a fixed second (1, 2, 3 s). */
export const LATER_SYN_MS = 2900;

const PROMPT_MS = 250;
const USUAL_MS = 500;
const AGES_MS = [PROMPT_MS, USUAL_MS, FIRST_SYN_MS] as const;
/** The share of answers that may come later than an age that is called usual. */
const LATE = { prompt: 0.02, usual: 0.05, lately: 0.1 } as const;
/** With fewer answers a WAN is not called prompt. */
const LEAST_PROMPT = 20;
/** With fewer answers in the last seconds, late ones are no sign of a buffer that fills. */
const LEAST_LATELY = 4;
/** Half-life of the recent rates: a buffer that fills shows it within seconds. */
const LATELY_MS = 5000;
/** So many late answers (by weight, so two of them), and such a part of all, make a WAN slow. */
const LEAST_SLOW = 1.5;
const SLOW_SHARE = 0.3;

/**
 * A probe's time counts for so long. Connections that are given to another WAN before a slow answer teach nothing; while
 * the time counts they are left to the WAN, and their own answers teach it.
 */
const PROBED_MS = 60_000;

/** How long one WAN takes to answer new connections, in one family. */
export class AnswerTimes {
  readonly #all = new Map(AGES_MS.map((ms) => [ms, new Rate()]));
  readonly #lately = new Map(AGES_MS.map((ms) => [ms, new Rate(LATELY_MS)]));
  #probe = { rttMs: 0, at: Number.NEGATIVE_INFINITY };

  /** @param leastMs the age at which the connection was last seen without its answer, 0 where it never was */
  add(leastMs: number, now: number): void {
    for (const rates of [this.#all, this.#lately]) {
      for (const [ms, rate] of rates) rate.add(leastMs >= ms, now);
    }
  }

  /** Takes in how long the WAN took to answer a probe that was sent because of a doubt. */
  probed(rttMs: number, now: number): void {
    this.#probe = { rttMs, at: now };
  }

  /** The age from which an unanswered connection is unusual, in ms. */
  usualMs(now: number): number {
    const probedMs = this.#probedMs(now);
    if (probedMs > FIRST_SYN_MS) return LATER_SYN_MS;
    return Math.max(this.#usualByConnectionsMs(now), probedMs > USUAL_MS ? FIRST_SYN_MS : 0);
  }

  /** How long a connection is left to the WAN before another one may have it, in ms: until just before a further SYN. */
  patienceMs(now: number): number {
    if (this.#probedMs(now) > FIRST_SYN_MS) return LATER_SYN_MS;
    const late = this.#all.get(FIRST_SYN_MS)!;
    return late.late(now) >= LEAST_SLOW && late.share(now) > SLOW_SHARE ? LATER_SYN_MS : FIRST_SYN_MS;
  }

  #usualByConnectionsMs(now: number): number {
    const lately = this.#lately.get(USUAL_MS)!;
    const filling = lately.total(now) >= LEAST_LATELY && lately.share(now) > LATE.lately;
    if (filling || this.#all.get(USUAL_MS)!.share(now) > LATE.usual) {
      return this.#all.get(FIRST_SYN_MS)!.share(now) > LATE.usual ? LATER_SYN_MS : FIRST_SYN_MS;
    }
    const prompt = this.#all.get(PROMPT_MS)!;
    return prompt.total(now) >= LEAST_PROMPT && prompt.share(now) <= LATE.prompt ? PROMPT_MS : USUAL_MS;
  }

  #probedMs(now: number): number {
    return now - this.#probe.at < PROBED_MS ? this.#probe.rttMs : 0;
  }
}
