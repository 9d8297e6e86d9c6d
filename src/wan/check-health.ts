import type { CheckConfig } from '../config/check.js';
import type { Family } from '../core/family.js';
import { printable } from '../core/printable.js';
import { WAITING } from '../core/states.js';
import type { CheckResult } from './check/check.js';
import { probesOf, type RoundResult } from './probes.js';
import { Quality } from './quality.js';
import { ProbeWindow } from './window.js';

/** One source's opinion of a WAN: whether it works, and why it says so. */
export interface Verdict {
  readonly up: boolean;
  /** For people, such as `ping 1.1.1.1, 9.9.9.9: 3 of 3 rounds failed (timeout)`. */
  readonly reason: string;
  /** Up, but the last round failed. That takes no WAN down, but a WAN that waits to come up starts its wait anew. */
  readonly shaky?: true;
  /** Down because somebody wished it, which says nothing about how reliable the WAN is. */
  readonly wished?: boolean;
}

/** What a check found last, whatever was concluded from it. */
export interface Latest {
  /** When the round ended, in milliseconds of the clock. */
  readonly at: number;
  /** How many targets answered, and how many were asked. */
  readonly answered: number;
  readonly asked: number;
  /** The shortest round trip of the round in milliseconds; undefined where none was measured. */
  readonly rttMs: number | undefined;
  /** Per cent of the probes of the last minute that were lost. */
  readonly loss: number;
  /** Why the round decided nothing, such as `socket: EMFILE`; only then. */
  readonly unknown?: string;
}

/** How many probes to a target were answered and lost since the start; those that say nothing about the WAN are in neither. */
export interface Probes {
  answered: number;
  lost: number;
}

/** The time over which {@link Latest.loss} is taken. */
const LOSS_MS = 60_000;

/**
 * How many failed rounds take a WAN down that has never worked since the start. It needs no long proof: it is more
 * likely dead (modem off, not dialled in yet) than unlucky twice. A WAN that has worked needs `fall` failed rounds.
 */
const FALL_AT_START = 2;
/** How many different failures a reason names. */
const MOST_FAILURES = 3;

/**
 * One check of one WAN in one family: counts rounds and judges loss and latency. Pure: rounds come in with their time.
 */
export class CheckHealth {
  readonly #config: CheckConfig;
  readonly #targets: readonly string[];
  readonly #quality: Quality;
  readonly #minute = new ProbeWindow(LOSS_MS);
  readonly #probes: readonly Probes[];
  #latest: Latest | undefined;
  #reached: boolean | undefined;
  #wasUp = false;
  #failed = 0;
  #passed = 0;
  #verdict: Verdict | undefined;
  #failing: string | undefined;

  /**
   * @param startsDown whether the WAN is down until the check has passed once
   * @param wasDown why it was down when an earlier daemon ended; then it is down until as many rounds pass as after any
   *   failure
   */
  constructor(config: CheckConfig, family: Family, startsDown = false, wasDown?: string) {
    this.#config = config;
    if (wasDown !== undefined) {
      this.#reached = false;
      this.#wasUp = true;
      this.#verdict = { up: false, reason: wasDown };
    } else if (startsDown) {
      // Nothing failed yet, so nothing is held against it.
      this.#verdict = { up: false, reason: WAITING, wished: true };
    }
    this.#targets = config.targets[family];
    this.#quality = new Quality(config, this.#targets);
    this.#probes = this.#targets.map(() => ({ answered: 0, lost: 0 }));
  }

  /**
   * Goes on with what another check of the WAN has decided, which this one replaces: a WAN that is down stays down until
   * this check brings it up, and one that is up needs as many failures as before.
   */
  inherit(from: CheckHealth): void {
    this.#reached = from.#reached;
    this.#wasUp = from.#wasUp;
    this.#verdict = from.#verdict;
  }

  /** Undefined until the check has decided, unless the WAN starts down; it counts as up until then. */
  get verdict(): Verdict | undefined {
    return this.#verdict;
  }

  /** Undefined before the first round. */
  get latest(): Latest | undefined {
    return this.#latest;
  }

  /** What became of the probes to each target, in their order: a snapshot. */
  get probes(): readonly Readonly<Probes>[] {
    return this.#probes.map((one) => ({ ...one }));
  }

  /**
   * Why the last round that said anything failed; undefined where it passed. It says nothing where silence says nothing
   * ({@link CheckConfig.onceAnswered}).
   */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** How long after the beginning of the last round the next one is to begin. */
  get intervalMs(): number {
    const { intervalMs, failIntervalMs, recoverIntervalMs } = this.#config;
    if (this.#failed > 0) return failIntervalMs;
    return this.#reached === false && this.#passed > 0 ? recoverIntervalMs : intervalMs;
  }

  /** Takes in one round. @param results one for each target, in their order */
  round(results: readonly RoundResult[], now: number): Verdict | undefined {
    const passed = this.#passes(results);
    this.#note(results, passed === undefined, now);
    if (passed === undefined) return this.#told;
    if (passed) this.#pass();
    else this.#fail(results);
    if (this.#reached) {
      this.#quality.add(results, now);
      this.#judgeQuality();
    }
    return this.#told;
  }

  #note(results: readonly RoundResult[], isUnknown: boolean, now: number): void {
    for (const [i, result] of results.entries()) {
      for (const { ok, rttMs, inconclusive } of probesOf(result)) {
        if (inconclusive) continue;
        this.#minute.add(ok, rttMs, now);
        const probes = this.#probes[i];
        if (probes !== undefined) probes[ok ? 'answered' : 'lost']++;
      }
    }
    const best = Math.min(...results.flatMap(({ ok, rttMs }) => (ok && rttMs !== undefined ? [rttMs] : [])));
    this.#latest = {
      at: now,
      answered: results.filter(({ ok }) => ok).length,
      asked: results.length,
      rttMs: Number.isFinite(best) ? best : undefined,
      loss: this.#minute.loss,
      ...(isUnknown && { unknown: printable(results.find(({ inconclusive }) => inconclusive)!.why) }),
    };
  }

  get #told(): Verdict | undefined {
    const verdict = this.#verdict;
    return verdict?.up && this.#failed > 0 ? { ...verdict, shaky: true } : verdict;
  }

  /** Whether a round passes; undefined when the targets that gave a result do not decide it. */
  #passes(results: readonly CheckResult[]): boolean | undefined {
    const { quorum } = this.#config;
    const answered = results.filter(({ ok }) => ok).length;
    const silent = results.filter(({ inconclusive }) => inconclusive).length;
    if (answered >= quorum) return true;
    return answered + silent >= quorum ? undefined : false;
  }

  #pass(): void {
    this.#failing = undefined;
    this.#failed = 0;
    this.#passed++;
    const needed = this.#reached === undefined ? 1 : this.#config.rise;
    if (this.#reached || this.#passed < needed) return;
    this.#reached = true;
    this.#wasUp = true;
    this.#quality.clear();
    this.#say(true, `${this.#passed} of ${needed} rounds passed`);
  }

  #fail(results: readonly CheckResult[]): void {
    this.#passed = 0;
    this.#failed++;
    const { fall, onceAnswered } = this.#config;
    if (onceAnswered && !this.#wasUp) return;
    this.#failing = `${this.#what}: ${this.#failures(results)}`;
    const needed = this.#wasUp ? fall : Math.min(fall, FALL_AT_START);
    if (this.#reached === false || this.#failed < needed) return;
    this.#reached = false;
    this.#say(false, `${this.#failed} of ${needed} rounds failed (${this.#failures(results)})`);
  }

  #judgeQuality(): void {
    const { good } = this.#quality;
    if (good === this.#verdict?.up) return;
    this.#verdict = { up: good, reason: `${this.#config.kind} ${this.#quality.describe()}` };
  }

  get #what(): string {
    return `${this.#config.kind} ${this.#targets.join(', ')}`;
  }

  #failures(results: readonly CheckResult[]): string {
    // What a server sends may be in it.
    const kinds = [...new Set(results.filter(({ ok }) => !ok).map(({ why }) => printable(why)))];
    const more = kinds.length > MOST_FAILURES ? ['...'] : [];
    const answered = results.filter(({ ok }) => ok).length;
    const quorum =
      answered > 0 ? [`${answered} of ${results.length} answered, ${this.#config.quorum} needed`] : [];
    return [...kinds.slice(0, MOST_FAILURES), ...more, ...quorum].join('; ');
  }

  #say(up: boolean, figures: string): void {
    this.#verdict = { up, reason: `${this.#what}: ${figures}` };
  }
}
