import type { Family } from '../core/family.js';
import { NOT_CHECKED, type TargetState } from '../core/states.js';
import { type TargetId, targetId } from '../core/target.js';
import type { Verdict } from './check-health.js';
import { HoldDown, type HoldDownMemory } from './hold-down.js';

/** The sources that look at a WAN's device and the way to its gateway. What only they call down may be back at once. */
const WAY_SOURCES: ReadonlySet<string> = new Set(['link', 'rules']);
/** How long a WAN must be down by its device before that counts: a cable that was moved is back, a DHCP lease renewed. */
const BRIEF_MS = 2000;
/** How long after a brief outage a probe may fail for it: routes are put back, and the gateway's address is asked for. */
const AFTERMATH_MS = 1000;

/** What one source says of a WAN in one family; undefined: it has no opinion, or none any more. */
export interface Finding {
  readonly wan: string;
  readonly family: Family;
  /** `check 1` and so on, `link`, `rules`, `asked` or `set`. */
  readonly source: string;
  readonly verdict: Verdict | undefined;
}

/** The state of a WAN in one family, when it may have changed. */
export interface HealthChange extends TargetState {
  readonly wan: string;
  readonly family: Family;
}

/** What is known of a WAN in one family, in a form for the next daemon; times are milliseconds of the clock. */
export interface HealthMemory {
  readonly up: boolean;
  readonly since: number;
  readonly reason: string;
  /** Until when its hold-down lasts; undefined where none was ever needed. */
  readonly notBefore?: number;
  readonly holdDown: HoldDownMemory;
}

/** How the health of WANs is watched. */
export interface HealthOptions {
  /**
   * How many milliseconds without a break all sources must call a WAN up after it was down. Default 0. Read each time, so
   * it may change.
   */
  readonly upAfterMs?: number;
  /**
   * The names of the WANs that get a family's new connections when they are up. While none of the others is up, a WAN
   * that works is better than none and does not wait, neither for `upAfterMs` nor for the end of its hold-down. Without
   * this function every WAN waits.
   */
  readonly taking?: (family: Family) => readonly string[];
  /** Told of a state whenever any part of it may have changed, after {@link Health.state} shows it. */
  readonly onState?: (change: HealthChange) => void;
}

/** One WAN in one family. It knows nothing of other WANs; it is told whether it is `alone`, with no other one up. */
class Entry {
  readonly wan: string;
  readonly family: Family;
  readonly verdicts = new Map<string, Verdict>();
  readonly #options: HealthOptions;
  #holdDown = new HoldDown();
  #up = true;
  #since: number;
  #reason = NOT_CHECKED.reason;
  #notBefore = Number.NEGATIVE_INFINITY;
  /** Since when all sources call this down WAN up; undefined when they do not, or it is up. */
  #goodSince: number | undefined;
  /** Whether this time a source took it down for another reason than a wish. */
  #failed = false;
  /** See {@link TargetState.brief}. */
  #brief = false;
  /** How long it was up before the last outage. */
  #upMs = 0;
  #lastUp = '';

  /** @param startsDown why it is down from the start; undefined where it is up */
  constructor(wan: string, family: Family, options: HealthOptions, now: number, startsDown?: string) {
    this.wan = wan;
    this.family = family;
    this.#options = options;
    this.#since = now;
    this.#up = startsDown === undefined;
    this.#reason = startsDown ?? this.#reason;
  }

  get up(): boolean {
    return this.#up;
  }

  /** A brief outage is none, since it may be over by the time that somebody reads this. */
  get memory(): HealthMemory {
    const notBefore = Number.isFinite(this.#notBefore) ? { notBefore: this.#notBefore } : {};
    const holdDown = this.#holdDown.memory;
    return { up: this.#up || this.#brief, since: this.#since, reason: this.#reason, ...notBefore, holdDown };
  }

  restore({ up, since, reason, notBefore = Number.NEGATIVE_INFINITY, holdDown }: HealthMemory): void {
    this.#up = up;
    this.#since = since;
    this.#reason = reason;
    this.#failed = !up;
    this.#notBefore = notBefore;
    this.#holdDown = new HoldDown(holdDown);
  }

  state(alone: boolean): TargetState {
    const heldUntil = this.heldUntil(alone);
    const state = { up: this.#up, since: this.#since, reason: this.#reason, heldUntil };
    return this.#brief ? { ...state, brief: true } : state;
  }

  /** When settling may have another result with the same verdicts; undefined when it cannot. */
  due(alone: boolean): number | undefined {
    return this.#brief && !this.#up ? this.#since + BRIEF_MS : this.heldUntil(alone);
  }

  /** Whether a probe from `began` until now may have failed only because of a brief outage. */
  excuses(began: number): boolean {
    return this.#brief && (!this.#up || began < this.#since + AFTERMATH_MS);
  }

  /** See {@link TargetState.heldUntil}. */
  heldUntil(alone: boolean): number | undefined {
    const good = this.#goodSince;
    if (good === undefined) return undefined;
    // A WAN that works, however often it fails, is better than none.
    if (alone) return good;
    return Math.max(this.#notBefore, this.#failed ? good + (this.#options.upAfterMs ?? 0) : good);
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
  settle(now: number, alone: boolean): boolean {
    const down = this.#firstDown;
    if (down !== undefined) return this.#settleDown(down, now);
    // The first good verdict changes nothing, but it gives the reason.
    if (this.#up) {
      if (this.#reason === NOT_CHECKED.reason && this.#lastUp !== '') this.#reason = this.#lastUp;
      return false;
    }
    // A failed round took nothing down before a brief outage, so it does not after it.
    if (!this.#brief && this.#some(({ shaky }) => shaky === true)) {
      this.#goodSince = undefined;
      return false;
    }
    this.#goodSince ??= now;
    return now >= this.heldUntil(alone)! && this.#comeUp(now);
  }

  /** Comes up without waiting if nothing calls it down. @returns whether the state changed */
  endWait(now: number): boolean {
    return !this.#up && this.#firstDown === undefined && this.#comeUp(now);
  }

  /** @returns whether the state changed */
  #settleDown(down: Verdict, now: number): boolean {
    this.#reason = down.reason;
    this.#goodSince = undefined;
    const turned = this.#up;
    if (turned) {
      this.#upMs = now - this.#since;
      this.#turn(false, now);
    }
    const wasOpen = turned || this.#brief;
    const mayBeBrief = turned ? this.#holdDown.forgives(this.#upMs) : this.#brief;
    this.#brief = mayBeBrief && now < this.#since + BRIEF_MS && this.#onlyItsWayIsDown;
    if (this.#brief) return turned;
    if (wasOpen && !down.wished) this.#notBefore = now + this.#holdDown.wentDown(this.#upMs);
    this.#failed ||= this.#some(({ up, wished }) => !up && !wished);
    return turned;
  }

  #comeUp(now: number): true {
    if (this.#brief) this.#holdDown.forgave();
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

  get #onlyItsWayIsDown(): boolean {
    for (const [source, { up }] of this.verdicts) if (!up && !WAY_SOURCES.has(source)) return false;
    return true;
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
 * A WAN that only its device or its way calls down is briefly out at first ({@link TargetState.brief}): when it is good
 * again within two seconds, it is up at once and not held down. When it is not, or another source calls it down, too,
 * the outage counts from then on. A line that keeps flapping is forgiven a few times only, see {@link HoldDown}.
 */
export class Health {
  readonly #entries = new Map<TargetId, Entry>();
  readonly #options: HealthOptions;

  constructor(options: HealthOptions = {}) {
    this.#options = options;
  }

  state(wan: string, family: Family): TargetState {
    const entry = this.#entries.get(targetId(wan, family));
    return entry === undefined ? NOT_CHECKED : this.#state(entry);
  }

  /** Takes in what `source` says now; it may say the same again. See {@link Finding}. */
  report(wan: string, family: Family, source: string, verdict: Verdict | undefined, now: number): void {
    this.reportAll([{ wan, family, source, verdict }], now);
  }

  /** Takes in what was found by one look. Nothing is concluded from one part of it before the rest is known. */
  reportAll(findings: readonly Finding[], now: number): void {
    const entries = new Set<Entry>();
    for (const { wan, family, source, verdict } of findings) {
      const entry = this.#entryFor(wan, family, verdict, now);
      entry?.set(source, verdict);
      if (entry !== undefined) entries.add(entry);
    }
    if ([...entries].some((entry) => this.#settle(entry, now))) this.tick(now);
  }

  /** Notes that a WAN is down from the start, which is no change of its state and no failure. */
  startDown(wan: string, family: Family, source: string, verdict: Verdict, now: number): void {
    const id = targetId(wan, family);
    const entry = this.#entries.get(id) ?? new Entry(wan, family, this.#options, now, verdict.reason);
    this.#entries.set(id, entry);
    entry.set(source, verdict);
  }

  /** What is known of each target, for the next daemon. */
  memory(): ReadonlyMap<TargetId, HealthMemory> {
    return new Map([...this.#entries].map(([id, entry]) => [id, entry.memory]));
  }

  /** Takes up what an earlier daemon knew, before anything is reported. One that was down waits as after any failure. */
  restore(wan: string, family: Family, memory: HealthMemory, now: number): void {
    const entry = new Entry(wan, family, this.#options, now);
    entry.restore(memory);
    this.#entries.set(targetId(wan, family), entry);
  }

  /** Forgets all targets but these. */
  keep(ids: ReadonlySet<TargetId>): void {
    for (const id of this.#entries.keys()) if (!ids.has(id)) this.#entries.delete(id);
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
    if (this.#note(entry, entry.endWait(now) || entry.settle(now, this.#alone(entry)))) this.tick(now);
  }

  /**
   * Whether a probe by this WAN that began at `began` and ends now says nothing, since the device was away for a moment
   * in between, or just before.
   */
  excuses(wan: string, family: Family, began: number): boolean {
    return this.#entries.get(targetId(wan, family))?.excuses(began) ?? false;
  }

  /** Brings up the WANs that have waited long enough, and counts the outages that are not brief any more. */
  tick(now: number): void {
    while (this.#settleUntilOneTurns(now));
  }

  /** When the next wait or brief outage ends; undefined when there is none. */
  nextDue(): number | undefined {
    let due: number | undefined;
    for (const entry of this.#entries.values()) {
      const until = entry.due(this.#alone(entry));
      if (until !== undefined && (due === undefined || until < due)) due = until;
    }
    return due;
  }

  /** An entry that does not exist is made, unless there is nothing to note in it. */
  #entryFor(wan: string, family: Family, verdict: Verdict | undefined, now: number): Entry | undefined {
    const id = targetId(wan, family);
    const known = this.#entries.get(id);
    if (known !== undefined || verdict === undefined) return known;
    const entry = new Entry(wan, family, this.#options, now);
    this.#entries.set(id, entry);
    return entry;
  }

  /**
   * One WAN's change can change how long others have to wait. So the first that turns ends the pass: all answers of a
   * pass come from the same states of the others, and of several WANs that wait while none works only one comes up. It
   * ends after as many passes as there are WANs, since with the same verdicts none turns twice.
   * @returns whether one turned
   */
  #settleUntilOneTurns(now: number): boolean {
    for (const entry of this.#entries.values()) if (this.#settle(entry, now)) return true;
    return false;
  }

  /** @returns whether the WAN went down or came up */
  #settle(entry: Entry, now: number): boolean {
    return this.#note(entry, entry.settle(now, this.#alone(entry)));
  }

  #note(entry: Entry, turned: boolean): boolean {
    this.#options.onState?.({ wan: entry.wan, family: entry.family, ...this.#state(entry) });
    return turned;
  }

  #state(entry: Entry): TargetState {
    return entry.state(this.#alone(entry));
  }

  /** Whether no other WAN is up. It asks only for stored states, since each WAN's wait depends on this very answer. */
  #alone({ wan, family }: Entry): boolean {
    const taking = this.#options.taking?.(family);
    const works = (name: string) => this.#entries.get(targetId(name, family))?.up ?? true;
    return taking !== undefined && !taking.some((name) => name !== wan && works(name));
  }
}
