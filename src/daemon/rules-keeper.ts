import type { Logger } from 'pino';
import { type EventSink, type Happening, NO_EVENTS } from '../core/event.js';
import type { TargetId } from '../core/target.js';
import { isRefusal, WanmarkError } from '../errors.js';
import { NO_STATES, type PlanStates } from '../plan/states.js';
import type { Outcome } from '../system/install.js';
import { installedConfig, readInstalled, rulesAreUp } from '../system/installed.js';
import { MAIN_TABLE, News, type NewsItem } from '../system/news.js';
import type { QuickLook, Sight } from '../system/quick-look.js';
import { IdlePace } from './idle-pace.js';
import { Isolation } from './isolation.js';
import { Paced } from './paced.js';
import { PassBudget } from './pass-budget.js';
import { RepairPace } from './repair-pace.js';
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

/** The plan and what carries it out are a tenth of a start, so they are loaded after the first packets can be answered. */
const LATER: Changing = {
  install: () => import('../system/install.js'),
  choice: () => import('../system/choice.js'),
  refusal: () => import('../plan/kernel-choice.js'),
  look: async () => new (await import('../system/quick-look.js')).QuickLook(),
};

/** What changes the rules. */
export interface Changing {
  readonly install: () => Promise<Pick<typeof import('../system/install.js'), 'refreshRules'>>;
  readonly choice: () => Promise<Pick<typeof import('../system/choice.js'), 'changeChoice'>>;
  readonly refusal: () => Promise<Pick<typeof import('../plan/kernel-choice.js'), 'choiceRefusal'>>;
  /** Undefined: every pass starts programs. */
  readonly look?: () => Promise<QuickLook>;
}

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
  readonly #idle = new IdlePace(FINGERPRINT_FACTOR);
  /** When the last look ended that needed no program. */
  #lastLook = Number.NEGATIVE_INFINITY;
  /**
   * The states that the kernel's own choice goes by; undefined: none were given, and the choice that a daemon left in
   * the rules stays.
   */
  #states: PlanStates | undefined;
  /** Settles when the rules go by the states that were given last. */
  #following: Promise<void> = Promise.resolve();
  /** The targets that were down when the states were given last; the states themselves change meanwhile. */
  #down: ReadonlySet<TargetId> = new Set();
  #said = '';
  #failure: string | undefined;
  #notes: readonly string[] = [];
  #other: string | undefined;

  constructor(parts: RulesKeeperParts) {
    this.#parts = parts;
    this.#changing = parts.changing ?? LATER;
    this.#isolation = new Isolation(parts.logger, parts.now);
    this.#paced = new Paced(
      () => this.#pass(),
      (error) => {
        this.#failure = String((error as Error | undefined)?.message ?? error);
        this.#isolation.report(error);
      },
    );
    this.#pace = new RepairPace(parts.now);
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
    this.#isolation.run(() => this.#sayOther(), undefined);
    if (states === undefined) return;
    this.#states ??= states;
    void this.#paced.now();
  }

  /**
   * Gives the states that the kernel's own choice goes by, from now on and after each `up`.
   * @returns when the rules go by them, could not be changed, or are not there
   */
  setStates(states: PlanStates): Promise<void> {
    const isBack = [...this.#down].some((id) => !states.down.has(id));
    this.#states = states;
    this.#down = states.down;
    // One change after another, since each takes the lock, and a WAN dies in both families at once.
    // A failure must not keep the next change from being made.
    this.#following = this.#following
      .then(() => this.#follow(isBack))
      .catch((error) => {
        this.#failure = String((error as Error | undefined)?.message ?? error);
        this.#isolation.report(error);
      });
    return this.#following;
  }

  /**
   * The kernel takes a WAN's routes away with its device, so a WAN that is back needs a pass, which restores them. Any
   * other change needs no shell: the choice is changed directly, and the next look at the fingerprint sees to the rest.
   */
  async #follow(isBack: boolean): Promise<void> {
    if (this.#states === undefined) return;
    if (!isBack && (await this.#choose(this.#states))) {
      this.#failure = undefined;
      return;
    }
    await this.#paced.now();
  }

  /** @returns whether the choice goes by the states; otherwise a pass has to see to it, and to say what is wrong */
  async #choose(states: PlanStates): Promise<boolean> {
    const { changeChoice } = await this.#changing.choice();
    try {
      return await changeChoice(states);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return false;
    }
  }

  /** Why the rules cannot have these weights; undefined when they can, or there are no rules. Changes nothing. */
  async refusal(weights: ReadonlyMap<string, number>): Promise<string | undefined> {
    const installed = readInstalled();
    if (!rulesAreUp() || installed === undefined) return undefined;
    const { choiceRefusal } = await this.#changing.refusal();
    return choiceRefusal(installedConfig(installed), { ...NO_STATES, weights });
  }

  /** Why the rules do not go by the states at the moment; undefined where they do, or there are none. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** What a person should know of the rules at the moment: rules of others that leave ours nothing, for example. */
  get notes(): readonly string[] {
    return this.#other === undefined ? this.#notes : [...this.#notes, this.#other];
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
    this.#sayOther();
    if (!rulesAreUp() || !this.#idle.isDue(LOOK_MS)) return;
    const start = this.#parts.now();
    const fingerprint = this.#kept.fingerprint();
    this.#idle.looked(this.#parts.now() - start);
    if (fingerprint !== this.#fingerprint) this.#paced.request();
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
    const sight = await look?.look(this.#states, this.#hears);
    if (sight !== undefined && (await look!.suffices(sight))) {
      this.#sayMissing([]);
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
    this.#sayMissing([]);
    this.#sayNotes(result.notes);
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
        states: () => this.#states,
        repair,
        touched: this.#touched.since(this.#passes[0]),
      });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const code = error instanceof WanmarkError ? error.exitCode : 1;
      return { code, said: [error.message], notes: this.#notes, missing: [], changes: [] };
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
    this.#note({ kind: 'repaired', missing: missing.length, lines: missing });
    return restMs;
  }

  /** Nothing was changed, since something is missing and must not be put back. */
  #left({ missing: all }: Outcome): number {
    this.#failure = 'rules are missing, and the daemon is not to put them back; wanmark up does';
    const missing = this.#removed(all);
    // Rules that went with a device are not worth a word: the news of the device has asked for the next pass.
    if (missing.length > 0) this.#sayMissing(missing);
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
    this.#note({ kind: 'rules', error: this.#failure });
    this.#paced.request();
    return restMs;
  }

  /** Logs what is to be known of the rules, each line once while it holds. */
  #sayNotes(notes: readonly string[]): void {
    for (const note of notes.filter((line) => !this.#notes.includes(line))) {
      if (note.startsWith('warning: ')) this.#parts.logger.warn(note.slice('warning: '.length));
      else this.#parts.logger.info(note);
    }
    this.#notes = notes;
  }

  /** Logs that the rules are of another configuration, once until that changes. */
  #sayOther(): void {
    const other = this.#kept.other?.();
    if (other === this.#other) return;
    this.#other = other;
    if (other === undefined) this.#parts.logger.info('the rules are those of this configuration again');
    else this.#parts.logger.warn(other);
  }

  /** Logs missing rules, once until they change. */
  #sayMissing(missing: readonly string[]): void {
    const text = missing.join('\n');
    if (text === this.#said) return;
    this.#said = text;
    if (text === '') this.#parts.logger.info('no rule is missing any more');
    else {
      this.#parts.logger.warn({ missing }, 'rules are missing; wanmark up puts them back');
      this.#note({ kind: 'rules', error: `${missing.length} rules are missing; wanmark up puts them back` });
    }
  }

  #note(happening: Happening): void {
    (this.#parts.events ?? NO_EVENTS).note(happening);
  }
}
