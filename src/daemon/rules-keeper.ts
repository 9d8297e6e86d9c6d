import type { Logger } from 'pino';
import { IpMonitor } from '../system/ip-monitor.js';
import { checkRules, type Refreshed, refreshRules, rulesAreUp } from '../system/scripts.js';
import { Paced } from './paced.js';
import { RepairPace } from './repair-pace.js';

/** Looking at the fingerprint takes 0.15 ms, so twice a second is nothing. */
const LOOK_MS = 500;
/** In case some change shows in no fingerprint and in no news. */
const SWEEP_MS = 300_000;

export interface RulesKeeperParts {
  readonly logger: Logger;
  readonly now: () => number;
  /** False: only say what is missing. */
  readonly repair: boolean;
  /** Changes with anything that `ip monitor` does not tell of: the firewall's rules, sysctls. */
  readonly fingerprint: () => string;
}

/**
 * Keeps the installed rules true while the daemon runs: a VPN's route that comes later is an exception from then
 * on, a WAN whose device went and came back has its table again, and what somebody else removed is put back. Does
 * nothing where `up` was not run, or `down` was.
 */
export class RulesKeeper {
  readonly #parts: RulesKeeperParts;
  readonly #pace: RepairPace;
  readonly #paced = new Paced(() => this.#pass());
  readonly #monitor: IpMonitor;
  readonly #timers: NodeJS.Timeout[];
  #fingerprint = '';
  /** Those that the rules give nothing new to; undefined: nobody has said. */
  #down: readonly string[] | undefined;
  /** Weights in the place of those of `up`; undefined: nobody has said. */
  #weights: readonly string[] | undefined;
  #said = '';

  constructor(parts: RulesKeeperParts) {
    this.#parts = parts;
    this.#pace = new RepairPace(parts.now);
    this.#monitor = new IpMonitor(
      ['rule', 'route', 'address'],
      () => this.#paced.request(),
      () => parts.logger.warn('ip monitor ended; run wanmark up again after routes change'),
    );
    this.#timers = [
      setInterval(() => this.#look(), LOOK_MS),
      setInterval(() => this.#paced.request(), SWEEP_MS),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  /**
   * Takes WANs out of the kernel's own choice, from now on and after each `up`.
   * @param down as WANMARK_DOWN names them: `fibre`, or `fibre:6` for one family
   * @returns when the rules say so, could not be changed, or are not there
   */
  setDown(down: readonly string[]): Promise<void> {
    this.#down = down;
    return this.#paced.now();
  }

  /**
   * Weights for the kernel's own choice in the place of those that `up` was given, from now on and after each `up`.
   * @param weights as WANMARK_WEIGHTS names them, `fibre=0`; none: those of `up`
   * @returns as {@link setDown}
   */
  setWeights(weights: readonly string[]): Promise<void> {
    this.#weights = weights;
    return this.#paced.now();
  }

  /** Why the rules cannot have these weights; undefined: they can, or there are no rules. Changes nothing. */
  async refusal(weights: readonly string[]): Promise<string | undefined> {
    if (!rulesAreUp()) return undefined;
    const { code, said } = await checkRules({ weights });
    return code === 2 ? said[0] : undefined;
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#paced.stop();
    this.#monitor.stop();
  }

  #look(): void {
    if (rulesAreUp() && this.#parts.fingerprint() !== this.#fingerprint) this.#paced.request();
  }

  /** @returns how many milliseconds nothing more should be done */
  async #pass(): Promise<number> {
    if (!rulesAreUp()) return 0;
    // Of before: what changes while we look, by whomever, is looked at again. A pass that changes nothing ends that.
    this.#fingerprint = this.#parts.fingerprint();
    if (!this.#parts.repair) {
      const { missing } = await checkRules();
      this.#sayMissing(missing);
      if (missing.length > 0) return 0;
    }
    const result = await refreshRules({ down: this.#down, weights: this.#weights });
    // Whoever ran `down` meanwhile wanted that.
    if (!rulesAreUp()) return 0;
    return result.code === 0 ? this.#done(result) : this.#failed(result);
  }

  #done({ said, changes, missing }: Refreshed): number {
    const { logger } = this.#parts;
    if (missing.length === 0) {
      if (changes.length > 0) logger.info({ said, changes }, 'the rules followed the routes');
      return 0;
    }
    const restMs = this.#pace.repaired();
    const fight = this.#pace.fighting
      ? `; somebody removes them again and again, next look in ${restMs / 1000} s`
      : '';
    logger.warn({ missing }, `rules were missing and have been put back${fight}`);
    return restMs;
  }

  #failed({ code, said, missing }: Refreshed): number {
    const restMs = this.#pace.failed();
    this.#parts.logger.error(
      { code, said, missing },
      `the rules could not be brought up to date; next try in ${restMs / 1000} s`,
    );
    this.#paced.request();
    return restMs;
  }

  /** Once for each state of things. */
  #sayMissing(missing: readonly string[]): void {
    const text = missing.join('\n');
    if (text === this.#said) return;
    this.#said = text;
    if (text === '') this.#parts.logger.info('no rule is missing any more');
    else this.#parts.logger.warn({ missing }, 'rules are missing; wanmark up puts them back');
  }
}
