import type { Logger } from 'pino';
import type { EventSink } from '../core/event.js';
import type { TargetId } from '../core/target.js';
import { isRefusal, WanmarkError } from '../errors.js';
import type { PlanStates } from '../plan/states.js';
import type { Outcome } from '../system/install.js';
import { readInstalled, rulesAreUp } from '../system/installed.js';
import { MAIN_TABLE, News, type NewsItem } from '../system/news.js';
import type { QuickLook, Sight } from '../system/quick-look.js';
import { type Changing, LATER } from './changing.js';
import { IdlePace } from './idle-pace.js';
import { Isolation } from './isolation.js';
import { KernelChoice } from './kernel-choice.js';
import { Paced } from './paced.js';
import { PassBudget } from './pass-budget.js';
import { RepairPace } from './repair-pace.js';
import { RulesReport } from './rules-report.js';
import { TouchedDevices } from './touched-devices.js';

/** How often to look at the fingerprint, which takes 0.15 ms. */
const LOOK_MS = 500;
/** With many WANs it takes milliseconds, for their settings, and comes less often: it takes a 400th of the time at most. */
const FINGERPRINT_FACTOR = 400;
/** How often to look at everything, in case a change shows neither in the fingerprint nor in the news. */
const SWEEP_MS = 300_000;

/**
 * The pause after a look that needed no program, as a multiple of its duration: with constant changes, all looks together
 * take a hundredth of the time. What a look has been waited for counts, so that two changes in a row are both seen at once.
 */
const QUICK_PAUSE_FACTOR = 199;

/** What the rules are about. */
export interface Kept {
  /** The devices of WANs and services. */
  readonly devices: readonly string[];
  /** The WANs' routing tables. */
  readonly tables?: readonly number[];
  /** False: only say what is missing. */
  readonly repair: boolean;
  /** A text that changes with everything that is not told as news: the firewall's rules and sysctls. */
  readonly fingerprint: () => string;
  /** A text that changes with files that the rules are made of, which a person waits for; by default there are none. */
  readonly files?: () => string;
  /** Says in one line that the rules are of another configuration than the daemon's; undefined where they are not. */
  readonly other?: () => string | undefined;
}

export interface RulesKeeperParts extends Kept {
  readonly logger: Logger;
  readonly events?: EventSink;
  readonly now: () => number;
  /**
   * Told after each look which WANs the rules have no route for.
   * @param asOf when the look began
   */
  readonly onUnusable?: (wans: ReadonlySet<TargetId>, asOf: number) => void;
  /** Tests have their own. */
  readonly changing?: Changing;
}

/**
 * Keeps the installed rules true while the daemon runs: a VPN's route that comes later becomes an exception, a WAN
 * whose device went and came back gets its table again, and anything that somebody else removed is put back. Does
 * nothing before `up` was run, or after `down`.
 */
export class RulesKeeper {
  readonly #parts: RulesKeeperParts;
  readonly #changing: Changing;
  readonly #pace: RepairPace;
  readonly #paced: Paced;
  readonly #isolation: Isolation;
  #monitor: News | undefined;
  /** Whether all news are heard. */
  #hears = false;
  #look: Promise<QuickLook> | undefined;
  #kept: Kept;
  #tables: ReadonlySet<number>;
  readonly #budget: PassBudget;
  #timers: readonly NodeJS.Timeout[] = [];
  #touched: TouchedDevices;
  /** When the previous pass and this one began. News of what happened before a pass may arrive while it runs. */
  #passes: readonly [number, number] = [0, 0];
  #fingerprint = '';
  #files: string | undefined;
  readonly #idle = new IdlePace(FINGERPRINT_FACTOR);
  /** When the last look ended that needed no program. */
  #lastLook = Number.NEGATIVE_INFINITY;
  readonly #choice: KernelChoice;
  readonly #report: RulesReport;
  #failure: string | undefined;

  constructor(parts: RulesKeeperParts) {
    this.#parts = parts;
    this.#changing = parts.changing ?? LATER;
    this.#isolation = new Isolation(parts.logger, parts.now);
    const onFault = (error: unknown) => {
      this.#failure = String((error as Error | undefined)?.message ?? error);
      this.#isolation.report(error);
    };
    this.#paced = new Paced(() => this.#pass(), onFault);
    this.#choice = new KernelChoice({
      changing: this.#changing,
      pass: () => this.#paced.now(),
      onChanged: () => {
        this.#failure = undefined;
      },
      onFault,
    });
    this.#pace = new RepairPace(parts.now);
    this.#report = new RulesReport(parts.logger, parts.events);
    this.#kept = parts;
    this.#touched = new TouchedDevices(parts.devices);
    this.#tables = new Set([MAIN_TABLE, ...(parts.tables ?? [])]);
    this.#budget = new PassBudget(parts.now);
  }

  /**
   * Watches from now on.
   * @param states the current states; undefined where nobody reports which WANs work
   */
  begin(states?: PlanStates): void {
    const { logger, now } = this.#parts;
    this.#hears = true;
    this.#files = this.#kept.files?.();
    this.#monitor = new News(
      ['rule', 'route', 'address', 'link', 'nexthop'],
      (items) => {
        void this.#hear(items).catch(this.#isolation.report);
        if (this.#touched.hear(items, now())) this.#paced.soon();
        else if (items.some((item) => this.#matters(item))) this.#paced.request();
      },
      () => {
        this.#hears = false;
        logger.warn('the kernel tells no news; run wanmark up again after routes change');
      },
    );
    this.#timers = [setInterval(() => this.#compare(), LOOK_MS), setInterval(() => this.#sweep(), SWEEP_MS)];
    for (const timer of this.#timers) timer.unref();
    // A WAN's death must not wait for it, and Node never loads again what could not be loaded for want of a descriptor.
    const { choice, install } = this.#changing;
    void Promise.all([choice(), install()]).catch(this.#isolation.report);
    this.#isolation.run(() => this.#report.other(this.#kept.other?.()), undefined);
    if (states === undefined) return;
    this.#choice.begin(states);
    void this.#paced.now();
  }

  /** Does what {@link KernelChoice.follow} says. */
  setStates(states: PlanStates): Promise<void> {
    return this.#choice.follow(states);
  }

  /** Does what {@link KernelChoice.refusal} says. */
  refusal(weights: ReadonlyMap<string, number>): Promise<string | undefined> {
    return this.#choice.refusal(weights);
  }

  /** Why the rules do not go by the states at the moment; undefined where they do, or there are none. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** What a person should know of the rules at the moment: rules of others that leave ours nothing, for example. */
  get notes(): readonly string[] {
    return this.#report.lines;
  }

  /** Keeps the rules of another configuration from now on, which are there already. */
  goOver(kept: Kept): void {
    this.#kept = kept;
    this.#touched = new TouchedDevices(kept.devices);
    this.#tables = new Set([MAIN_TABLE, ...(kept.tables ?? [])]);
    void this.#sweep().catch(this.#isolation.report);
  }

  /** To be called when a WAN's device, address or gateway changed: its table follows without the usual pause. */
  follow(): void {
    this.#paced.soon();
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#paced.stop();
    this.#monitor?.stop();
  }

  /**
   * Whether a change can matter to the rules. Links are left out, since a radio, for example, may have news of its link
   * all day, and so are the tables of others.
   */
  #matters(item: NewsItem): boolean {
    return item.kind !== 'link' && (item.kind !== 'route' || this.#tables.has(item.table));
  }

  /** Looks at everything, with programs. */
  async #sweep(): Promise<void> {
    (await this.#look)?.forget();
    this.#paced.request();
  }

  /** Does at once what need not wait for a pass. */
  async #hear(items: readonly NewsItem[]): Promise<void> {
    await (await this.#look)?.hear(items);
  }

  #compare(): void {
    this.#report.other(this.#kept.other?.());
    this.#compareFiles();
    if (!rulesAreUp() || !this.#idle.isDue(LOOK_MS)) return;
    const start = this.#parts.now();
    const fingerprint = this.#kept.fingerprint();
    this.#idle.looked(this.#parts.now() - start);
    if (fingerprint !== this.#fingerprint) this.#paced.request();
  }

  /** A person who has changed a file does not wait for the pauses by which other people's changes are followed. */
  #compareFiles(): void {
    const files = this.#kept.files?.();
    if (files === this.#files) return;
    this.#files = files;
    this.#paced.soon();
  }

  /** Brings the rules up to date. @returns for how many milliseconds to leave them alone */
  async #pass(): Promise<number> {
    const began = this.#parts.now();
    this.#passes = [this.#passes[1], began];
    this.#failure = undefined;
    if (!rulesAreUp()) {
      this.#parts.onUnusable?.(new Set(), began);
      return 0;
    }
    // Taken before the pass, so a change made during it triggers another. A pass that changes nothing ends that.
    this.#fingerprint = this.#kept.fingerprint();
    this.#look ??= this.#changing.look?.();
    const look = await this.#look;
    const sight = await look?.look(this.#choice.states, this.#hears);
    if (sight !== undefined && (await look!.suffices(sight))) {
      this.#report.missing([]);
      this.#report.failure('');
      this.#parts.onUnusable?.(readInstalled()?.unusable ?? new Set(), began);
      const now = this.#parts.now();
      const quietMs = began - this.#lastLook;
      this.#lastLook = now;
      return Math.max(0, QUICK_PAUSE_FACTOR * (now - began) - quietMs);
    }
    look?.forget();
    return this.#wholePass(began, look, sight);
  }

  /** Looks at everything and changes it, with programs. @returns for how many milliseconds to leave it alone */
  async #wholePass(began: number, look: QuickLook | undefined, sight: Sight | undefined): Promise<number> {
    const { repair } = this.#kept;
    const result = await this.#refresh();
    // Somebody who ran `down` meanwhile wanted the rules gone.
    if (!rulesAreUp()) return 0;
    if (!repair && result.missing.length > 0) return this.#left(result);
    if (result.code !== 0) return this.#failed(result);
    this.#report.missing([]);
    this.#report.failure('');
    this.#report.notes(result.notes);
    this.#parts.onUnusable?.(readInstalled()?.unusable ?? new Set(), began);
    // Only what was seen before a pass that had nothing to do is certainly right.
    if (result.changes.length === 0 && result.missing.length === 0) look?.settle(sight);
    return this.#done(result, this.#parts.now() - began);
  }

  async #refresh(): Promise<Outcome> {
    const { repair } = this.#kept;
    const { refreshRules } = await this.#changing.install();
    try {
      return await refreshRules({
        states: () => this.#choice.states,
        repair,
        touched: this.#touched.since(this.#passes[0]),
      });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const code = error instanceof WanmarkError ? error.exitCode : 1;
      return { code, said: [error.message], notes: this.#report.lastNotes, missing: [], changes: [] };
    }
  }

  #done({ said, changes, missing: all }: Outcome, tookMs: number): number {
    const { logger } = this.#parts;
    const missing = this.#removed(all);
    if (missing.length === 0) {
      if (changes.length > 0) logger.info({ said, changes }, 'the rules followed the routes');
      return this.#budget.spent(tookMs);
    }
    const restMs = this.#pace.repaired();
    const fight = this.#pace.fighting
      ? `; somebody removes them again and again, next look in ${restMs / 1000} s`
      : '';
    logger.warn({ missing }, `rules were missing and have been put back${fight}`);
    this.#report.happened({ kind: 'repaired', missing: missing.length, lines: missing });
    return restMs;
  }

  /** Nothing was changed, since something is missing and must not be put back. */
  #left({ missing: all }: Outcome): number {
    this.#failure = 'rules are missing, and the daemon is not to put them back; wanmark up does';
    const missing = this.#removed(all);
    // Rules that went with a device are not worth a word: the news of the device has asked for the next pass.
    if (missing.length > 0) this.#report.missing(missing);
    return 0;
  }

  /** The missing lines that somebody removed; those that went with a device are left out. */
  #removed(missing: readonly string[]): readonly string[] {
    return missing.filter((line) => !this.#touched.explains(line, this.#passes[0]));
  }

  #failed({ code, said, missing }: Outcome): number {
    this.#failure = said.at(-1) ?? `exit code ${code}`;
    if (this.#touched.since(this.#passes[1]).length > 0) {
      // A device may have gone between the look and the command.
      this.#parts.logger.info(
        { code, said },
        'the rules could not follow while devices changed; next try at once',
      );
      this.#paced.soon();
      return 0;
    }
    const restMs = this.#pace.failed();
    this.#parts.logger.error(
      { code, said, missing },
      `the rules could not be brought up to date; next try in ${restMs / 1000} s`,
    );
    this.#report.failure(this.#failure);
    this.#paced.request();
    return restMs;
  }
}
