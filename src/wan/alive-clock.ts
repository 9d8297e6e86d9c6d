import type { Clock } from './clock.js';

/** A later timer means that this process stood still, and perhaps the traffic through this machine, too. */
const LATE_MS = 100;

/**
 * A clock without the time in which this process did not run, as far as its own timers show that. By any other clock, all
 * that waits for an answer would grow old at once after a standstill, and look unanswered. Its moments must not be
 * compared with those of another clock: the difference grows for as long as the process runs.
 */
export class AliveClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<{ readonly due: number }>();
  #stolenMs = 0;
  /** The moment of the other clock up to which standstills are counted. */
  #countedTo = Number.NEGATIVE_INFINITY;

  /** @param clock the one whose time it takes */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    const now = this.#clock.now();
    this.#count(now);
    return now - this.#stolenMs;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { due: this.#clock.now() + ms };
    this.#timers.add(timer);
    const cancel = this.#clock.after(ms, () => {
      this.#count(this.#clock.now());
      this.#timers.delete(timer);
      callback();
    });
    return () => {
      this.#timers.delete(timer);
      cancel();
    };
  }

  /** Counts a standstill once, however many timers are late, and before the first of them has run. */
  #count(now: number): void {
    let due = Number.POSITIVE_INFINITY;
    for (const timer of this.#timers) due = Math.min(due, timer.due);
    const stoodMs = now - Math.max(due, this.#countedTo);
    if (stoodMs <= LATE_MS) return;
    this.#stolenMs += stoodMs;
    this.#countedTo = now;
  }
}
