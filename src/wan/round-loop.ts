import { setMaxListeners } from 'node:events';
import type { CheckConfig } from '../config/check.js';
import { type Check, type CheckPath, type CheckResult, failure } from './check/check.js';
import type { Clock } from './clock.js';
import { probeRepeatedly, type RoundResult } from './probes.js';

/** The part of the interval by which a round may begin earlier or later, so that loops do not fall into step. */
const JITTER = 0.05;
/** The shortest time from the beginning of one round to the next: {@link RoundLoop.hurry} may be called all the time. */
const LEAST_MS = 200;

export interface RoundLoopOptions {
  readonly config: CheckConfig;
  readonly targets: readonly string[];
  readonly check: Check;
  /** The current way; undefined while there is nothing to probe, and then the round is left out. */
  readonly path: () => CheckPath | undefined;
  readonly clock: Clock;
  /** Returns 0 up to 1. */
  readonly random: () => number;
  /** Asked after each round: how long after its beginning the next one is to begin, in milliseconds. */
  readonly intervalMs: () => number;
  /** @param began when the round began, in milliseconds of the clock */
  readonly onRound: (results: readonly RoundResult[], began: number) => void;
}

/**
 * Probes all targets of one check at once, again and again. Rounds never overlap: after a slow round the next begins
 * right away, and missed rounds are not made up for.
 */
export class RoundLoop {
  readonly #options: RoundLoopOptions;
  #cancel = () => {};
  /** When the last round began, and when the next one is due. */
  #began = Number.NEGATIVE_INFINITY;
  #due = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #abort: AbortController | undefined;
  #stopped = false;

  constructor(options: RoundLoopOptions, firstAfterMs: number) {
    this.#options = options;
    this.#beginAfter(firstAfterMs);
  }

  /** Begins the next round at once, or as soon after the last one as may be; a round that is running is enough. */
  hurry(): void {
    const now = this.#options.clock.now();
    const at = Math.max(now, this.#began + LEAST_MS);
    if (this.#stopped || this.#running !== undefined || at >= this.#due) return;
    this.#cancel();
    this.#beginAfter(at - now);
  }

  /** Resolves when a running round has ended. That is soon, since it is cancelled; its result is dropped. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    this.#abort?.abort();
    await this.#running;
  }

  #beginAfter(ms: number): void {
    const { clock } = this.#options;
    this.#due = clock.now() + ms;
    this.#cancel = clock.after(ms, () => this.#begin());
  }

  #begin(): void {
    this.#running = this.#round();
  }

  async #round(): Promise<void> {
    const { clock, random, onRound, path } = this.#options;
    const began = clock.now();
    this.#began = began;
    try {
      const way = path();
      const results = way && (await this.#probe(way));
      if (!this.#stopped && results !== undefined) onRound(results, began);
    } finally {
      // The next round comes whatever became of this one: a WAN that nobody checks any more would stay as it is for ever.
      this.#running = undefined;
      const intervalMs = this.#options.intervalMs() * (1 + JITTER * (2 * random() - 1));
      const restMs = Math.max(0, began + intervalMs - clock.now());
      if (!this.#stopped) this.#beginAfter(restMs);
    }
  }

  async #probe(path: CheckPath): Promise<RoundResult[]> {
    const { check, config, targets, clock } = this.#options;
    const abort = new AbortController();
    // A listener for each target is not a leak.
    setMaxListeners(0, abort.signal);
    this.#abort = abort;
    const one = async (target: string) => check(target, path, config.timeoutMs, abort.signal);
    // A check must not reject. If one does it is broken, which says nothing about the WAN.
    const safe = (target: string) =>
      one(target).catch((error): CheckResult => ({ ...failure(error), inconclusive: true }));
    const results = await Promise.all(
      targets.map((target) => probeRepeatedly(() => safe(target), config, clock, abort.signal)),
    );
    this.#abort = undefined;
    return results;
  }
}
