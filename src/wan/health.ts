import type { Verdict } from './check-health.js';
import { HoldDown } from './hold-down.js';

/** Whether a WAN works in one family, since when and why. */
export interface HealthState {
  readonly up: boolean;
  /** The clock's milliseconds of the last change, or of the first mention. */
  readonly since: number;
  readonly reason: string;
  /** While it is down although every source calls it up: until when. */
  readonly heldUntil: number | undefined;
}

export interface HealthChange extends HealthState {
  readonly wan: string;
  readonly family: 4 | 6;
}

/** Of a WAN that nobody speaks of. */
export const NOT_CHECKED: HealthState = { up: true, since: 0, reason: 'not checked', heldUntil: undefined };

/** One WAN in one family. */
class Entry {
  readonly wan: string;
  readonly family: 4 | 6;
  readonly verdicts = new Map<string, Verdict>();
  readonly #holdDown = new HoldDown();
  #up = true;
  #since: number;
  #reason = NOT_CHECKED.reason;
  #notBefore = Number.NEGATIVE_INFINITY;
  #lastUp = '';

  constructor(wan: string, family: 4 | 6, now: number) {
    this.wan = wan;
    this.family = family;
    this.#since = now;
  }

  get state(): HealthState {
    const heldUntil = !this.#up && this.#firstDown === undefined ? this.#notBefore : undefined;
    return { up: this.#up, since: this.#since, reason: this.#reason, heldUntil };
  }

  set(source: string, verdict: Verdict | undefined): void {
    if (verdict === undefined) this.verdicts.delete(source);
    else this.verdicts.set(source, verdict);
    if (verdict?.up) this.#lastUp = verdict.reason;
  }

  /** Whether that changed the state. */
  settle(now: number): boolean {
    const down = this.#firstDown;
    if (down !== undefined) {
      this.#reason = down.reason;
      if (!this.#up) return false;
      this.#notBefore = now + this.#holdDown.wentDown(now - this.#since);
      return this.#turn(false, now);
    }
    // Its first good verdict is no change, but something to say.
    if (this.#up) {
      if (this.#reason === NOT_CHECKED.reason && this.#lastUp !== '') this.#reason = this.#lastUp;
      return false;
    }
    if (now < this.#notBefore) return false;
    this.#reason = this.#lastUp === '' ? 'nothing says that it is down' : this.#lastUp;
    return this.#turn(true, now);
  }

  #turn(up: boolean, now: number): true {
    this.#up = up;
    this.#since = now;
    return true;
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
 * reports. A WAN that nobody speaks of is up. Going down happens at once; coming up waits for the hold-down, so
 * {@link Health.tick} must be called at {@link Health.nextDue}.
 */
export class Health {
  readonly #entries = new Map<string, Entry>();
  readonly #onChange: (change: HealthChange) => void;

  /** @param onChange told of each change, after {@link Health.state} shows it */
  constructor(onChange: (change: HealthChange) => void = () => {}) {
    this.#onChange = onChange;
  }

  state(wan: string, family: 4 | 6): HealthState {
    return this.#entries.get(key(wan, family))?.state ?? NOT_CHECKED;
  }

  /**
   * What `source` says now, every time or only when it changes.
   *
   * @param source a name of its own for each check, `link`, `passive`, ...
   * @param verdict undefined: it has no opinion (any more)
   */
  report(wan: string, family: 4 | 6, source: string, verdict: Verdict | undefined, now: number): void {
    const name = key(wan, family);
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      if (verdict === undefined) return;
      entry = new Entry(wan, family, now);
      this.#entries.set(name, entry);
    }
    entry.set(source, verdict);
    this.#settle(entry, now);
  }

  /** Whether a WAN is up, or would be without what `source` says. */
  upWithout(source: string, wan: string, family: 4 | 6): boolean {
    const entry = this.#entries.get(key(wan, family));
    if (entry === undefined || entry.state.up) return true;
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
    for (const { state } of this.#entries.values()) {
      if (state.heldUntil !== undefined && (due === undefined || state.heldUntil < due))
        due = state.heldUntil;
    }
    return due;
  }

  /** A WAN that is gone from the configuration. */
  forget(wan: string): void {
    for (const family of [4, 6] as const) this.#entries.delete(key(wan, family));
  }

  #settle(entry: Entry, now: number): void {
    if (entry.settle(now)) this.#onChange({ wan: entry.wan, family: entry.family, ...entry.state });
  }
}

function key(wan: string, family: 4 | 6): string {
  return `${family} ${wan}`;
}
