import { FAMILIES, type Family } from '../core/family.js';
import { NOT_CHECKED, type TargetState } from '../core/states.js';
import { type TargetId, targetId } from '../core/target.js';
import type { Verdict } from './check-health.js';
import { HoldDown } from './hold-down.js';

/** The state of a WAN in one family, when it may have changed. */
export interface HealthChange extends TargetState {
  readonly wan: string;
  readonly family: Family;
}

export interface HealthOptions {
  /** How many milliseconds without a break all sources must call a WAN up after it was down. Default 0. */
  readonly upAfterMs?: number;
  /**
   * The names of the WANs that get a family's new connections when they are up. While none of the others is up, a WAN
   * that works is better than none and does not wait for `upAfterMs`. Without this function every WAN waits.
   */
  readonly taking?: (family: Family) => readonly string[];
  /** Told of a state whenever any part of it may have changed. */
  readonly onState?: (change: HealthChange) => void;
}

/**
 * One WAN in one family. It knows nothing of other WANs; what depends on them comes in as `upAfterMs`, which says how
 * long the WAN has to be good before it comes up.
 */
class Entry {
  readonly wan: string;
  readonly family: Family;
  readonly verdicts = new Map<string, Verdict>();
  readonly #holdDown = new HoldDown();
  #up = true;
  #since: number;
  #reason = NOT_CHECKED.reason;
  #notBefore = Number.NEGATIVE_INFINITY;
  /** Since when all sources call this down WAN up; undefined when they do not, or it is up. */
  #goodSince: number | undefined;
  /** Whether this time a source took it down for another reason than a trial or a wish. */
  #failed = false;
  #lastUp = '';

  constructor(wan: string, family: Family, now: number) {
    this.wan = wan;
    this.family = family;
    this.#since = now;
  }

  get up(): boolean {
    return this.#up;
  }

  state(upAfterMs: number): TargetState {
    const heldUntil = this.heldUntil(upAfterMs);
    return { up: this.#up, since: this.#since, reason: this.#reason, heldUntil };
  }

  /** See {@link TargetState.heldUntil}. */
  heldUntil(upAfterMs: number): number | undefined {
    const good = this.#goodSince;
    if (good === undefined) return undefined;
    return Math.max(this.#notBefore, this.#failed ? good + upAfterMs : good);
  }

  set(source: string, verdict: Verdict | undefined): void {
    if (verdict === undefined) this.verdicts.delete(source);
    else this.verdicts.set(source, verdict);
    if (verdict?.up) this.#lastUp = verdict.reason;
  }

  /** Ends the hold-down. */
  endHold(): void {
    this.#notBefore = Number.NEGATIVE_INFINITY;
  }

  /** Goes by the verdicts. @returns whether the state changed */
  settle(now: number, upAfterMs: number): boolean {
    const down = this.#firstDown;
    if (down !== undefined) {
      this.#reason = down.reason;
      this.#goodSince = undefined;
      this.#failed ||= this.#some(({ up, trial, wished }) => !up && !trial && !wished);
      if (!this.#up) return false;
      if (!down.wished) this.#notBefore = now + this.#holdDown.wentDown(now - this.#since);
      return this.#turn(false, now);
    }
    // The first good verdict changes nothing, but it gives the reason.
    if (this.#up) {
      if (this.#reason === NOT_CHECKED.reason && this.#lastUp !== '') this.#reason = this.#lastUp;
      return false;
    }
    if (this.#some(({ shaky }) => shaky === true)) {
      this.#goodSince = undefined;
      return false;
    }
    this.#goodSince ??= now;
    return now >= this.heldUntil(upAfterMs)! && this.#comeUp(now);
  }

  /** Comes up without waiting if nothing calls it down. @returns whether the state changed */
  endWait(now: number): boolean {
    return !this.#up && this.#firstDown === undefined && this.#comeUp(now);
  }

  #comeUp(now: number): true {
    this.#reason = this.#lastUp === '' ? 'nothing says that it is down' : this.#lastUp;
    this.#goodSince = undefined;
    this.#failed = false;
    return this.#turn(true, now);
  }

  #turn(up: boolean, now: number): true {
    this.#up = up;
    this.#since = now;
    return true;
  }

  #some(fits: (verdict: Verdict) => boolean): boolean {
    for (const verdict of this.verdicts.values()) if (fits(verdict)) return true;
    return false;
  }

  /** The verdict that calls it down; the device's first, since a dead device makes all others fail. */
  get #firstDown(): Verdict | undefined {
    const link = this.verdicts.get('link');
    if (link?.up === false) return link;
    for (const verdict of this.verdicts.values()) if (!verdict.up) return verdict;
    return undefined;
  }
}

/**
 * Judges the WANs, IPv4 and IPv6 apart. A WAN is up when no source calls it down; checks are one kind of source. A WAN
 * that no source reports on is up. Going down happens at once. Coming up waits until the WAN has been good for long
 * enough and the hold-down is over, so {@link Health.tick} must be called at {@link Health.nextDue}.
 *
 * A WAN that was down only for a trial ({@link Verdict.trial}) got no connections meanwhile, so waiting longer would
 * prove nothing: it waits for the hold-down only.
 */
export class Health {
  readonly #entries = new Map<TargetId, Entry>();
  readonly #onChange: (change: HealthChange) => void;
  readonly #options: HealthOptions;

  /** @param onChange told of each change, after {@link Health.state} shows it */
  constructor(onChange: (change: HealthChange) => void = () => {}, options: HealthOptions = {}) {
    this.#onChange = onChange;
    this.#options = options;
  }

  state(wan: string, family: Family): TargetState {
    const entry = this.#entries.get(targetId(wan, family));
    return entry === undefined ? NOT_CHECKED : this.#state(entry);
  }

  /**
   * Takes in what `source` says now; it may say the same again.
   *
   * @param source a name of its own for each check, `link`, `passive`, ...
   * @param verdict undefined: the source has no opinion, or none any more
   */
  report(wan: string, family: Family, source: string, verdict: Verdict | undefined, now: number): void {
    const name = targetId(wan, family);
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      if (verdict === undefined) return;
      entry = new Entry(wan, family, now);
      this.#entries.set(name, entry);
    }
    entry.set(source, verdict);
    this.#settle(entry, now);
  }

  /**
   * Takes back what `source` says. A WAN that then only waits comes up at once, whatever its hold-down; a WAN that
   * another source calls down stays down and will wait as usual.
   */
  release(wan: string, family: Family, source: string, now: number): void {
    const entry = this.#entries.get(targetId(wan, family));
    if (entry === undefined) return;
    entry.set(source, undefined);
    entry.endHold();
    this.#note(entry, entry.endWait(now) || entry.settle(now, this.#upAfter(entry)), now);
  }

  /** Whether a WAN is up, or would be up without what `source` says. */
  upWithout(source: string, wan: string, family: Family): boolean {
    const entry = this.#entries.get(targetId(wan, family));
    if (entry === undefined || entry.up) return true;
    const blamed = [...entry.verdicts].filter(([, verdict]) => !verdict.up).map(([name]) => name);
    return blamed.length > 0 && blamed.every((name) => name === source);
  }

  /** Brings up the WANs that have waited long enough. */
  tick(now: number): void {
    for (const entry of this.#entries.values()) this.#settle(entry, now);
  }

  /** When the next wait ends; undefined when no WAN is waiting. */
  nextDue(): number | undefined {
    let due: number | undefined;
    for (const entry of this.#entries.values()) {
      const until = entry.heldUntil(this.#upAfter(entry));
      if (until !== undefined && (due === undefined || until < due)) due = until;
    }
    return due;
  }

  /** Forgets a WAN that is gone from the configuration. */
  forget(wan: string): void {
    for (const family of FAMILIES) this.#entries.delete(targetId(wan, family));
  }

  #settle(entry: Entry, now: number): void {
    this.#note(entry, entry.settle(now, this.#upAfter(entry)), now);
  }

  #note(entry: Entry, turned: boolean, now: number): void {
    this.#options.onState?.(this.#change(entry));
    if (!turned) return;
    this.#onChange(this.#change(entry));
    // A change of one WAN can change how long others have to wait.
    this.tick(now);
  }

  #change(entry: Entry): HealthChange {
    return { wan: entry.wan, family: entry.family, ...this.#state(entry) };
  }

  #state(entry: Entry): TargetState {
    return entry.state(this.#upAfter(entry));
  }

  #upAfter(entry: Entry): number {
    const { upAfterMs = 0 } = this.#options;
    return upAfterMs > 0 && this.#alone(entry) ? 0 : upAfterMs;
  }

  /** Whether no other WAN is up. It asks only for stored states, since each WAN's wait depends on this very answer. */
  #alone({ wan, family }: Entry): boolean {
    const taking = this.#options.taking?.(family);
    const works = (name: string) => this.#entries.get(targetId(name, family))?.up ?? true;
    return taking !== undefined && !taking.some((name) => name !== wan && works(name));
  }
}
