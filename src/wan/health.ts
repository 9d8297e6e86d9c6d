import { FAMILIES, type Family } from '../core/family.js';
import { NOT_CHECKED, type TargetState } from '../core/states.js';
import { type TargetId, targetId } from '../core/target.js';
import type { Verdict } from './check-health.js';
import { HoldDown } from './hold-down.js';

/** A state that is another one than before, and whose. */
export interface HealthChange extends TargetState {
  readonly wan: string;
  readonly family: Family;
}

export interface HealthOptions {
  /** How long every source has to call a WAN up, without a break, that was down. Default 0. */
  readonly upAfterMs?: number;
  /**
   * The WANs that get a family's new connections when they are up. While none of the others is up, a WAN that works is
   * better than none and does not wait for `upAfterMs`. Without it every WAN always waits.
   */
  readonly taking?: (family: Family) => readonly string[];
  /** Told of a state whenever it may have become another one, in whatever part of it. */
  readonly onState?: (change: HealthChange) => void;
}

/**
 * One WAN in one family. It knows nothing of the others: whether it is up is stored, and what depends on them comes in as
 * `upAfterMs`, how long it has to be good before it comes up.
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
  /** Since when all call it up that is down; undefined: they do not. */
  #goodSince: number | undefined;
  /** Whether it has been down for more than a trial's sake. */
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

  /** What it was held down for is over. */
  endHold(): void {
    this.#notBefore = Number.NEGATIVE_INFINITY;
  }

  /** Whether that changed the state. */
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
    // Its first good verdict is no change, but something to say.
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

  /** Whether that changed the state. */
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

  /** Of the device, if that is it: then it is why the others fail, too. */
  get #firstDown(): Verdict | undefined {
    const link = this.verdicts.get('link');
    if (link?.up === false) return link;
    for (const verdict of this.verdicts.values()) if (!verdict.up) return verdict;
    return undefined;
  }
}

/**
 * The states of all WANs, IPv4 and IPv6 apart. A WAN is up when no source calls it down: checks, and whatever else
 * reports. A WAN that nobody speaks of is up. Going down happens at once; coming up waits until it has been good for
 * long enough and for the hold-down, so {@link Health.tick} must be called at {@link Health.nextDue}.
 *
 * A WAN that was down for a trial's sake alone ({@link Verdict.trial}) has been given nothing meanwhile, so more of
 * that would prove nothing either: it waits for the hold-down only.
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
   * What `source` says now, every time or only when it changes.
   *
   * @param source a name of its own for each check, `link`, `passive`, ...
   * @param verdict undefined: it has no opinion (any more)
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
   * Takes back what `source` says. A WAN that only waits is up at once, whatever it was held down for; one that
   * somebody calls down is not, and will wait as ever.
   */
  release(wan: string, family: Family, source: string, now: number): void {
    const entry = this.#entries.get(targetId(wan, family));
    if (entry === undefined) return;
    entry.set(source, undefined);
    entry.endHold();
    this.#note(entry, entry.endWait(now) || entry.settle(now, this.#upAfter(entry)), now);
  }

  /** Whether a WAN is up, or would be without what `source` says. */
  upWithout(source: string, wan: string, family: Family): boolean {
    const entry = this.#entries.get(targetId(wan, family));
    if (entry === undefined || entry.up) return true;
    const blamed = [...entry.verdicts].filter(([, verdict]) => !verdict.up).map(([name]) => name);
    return blamed.length > 0 && blamed.every((name) => name === source);
  }

  /** Brings up what has been held long enough. */
  tick(now: number): void {
    for (const entry of this.#entries.values()) this.#settle(entry, now);
  }

  /** When a hold ends next; undefined: none is waited for. */
  nextDue(): number | undefined {
    let due: number | undefined;
    for (const entry of this.#entries.values()) {
      const until = entry.heldUntil(this.#upAfter(entry));
      if (until !== undefined && (due === undefined || until < due)) due = until;
    }
    return due;
  }

  /** A WAN that is gone from the configuration. */
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
    // Another one that waits may be needed now, or has longer to wait.
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

  /** Asks the others only for what is stored: each may wait for this very answer about itself. */
  #alone({ wan, family }: Entry): boolean {
    const taking = this.#options.taking?.(family);
    const works = (name: string) => this.#entries.get(targetId(name, family))?.up ?? true;
    return taking !== undefined && !taking.some((name) => name !== wan && works(name));
  }
}
