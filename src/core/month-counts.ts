import { type ByteCount, growth } from './byte-meter.js';

/** What a counter said, and which one it is: two with the same place and boot are one that may have begun anew. */
export interface CounterReading extends ByteCount {
  /** The device, and whether it counts or our rules do. */
  readonly place: string;
  /** The boot, and the network namespace, since when it counts. */
  readonly boot: string;
}

/** What a WAN carried since its month began, or since it was first seen in it. */
export interface MonthBytes {
  /** ISO 8601. */
  readonly since: string;
  readonly inBytes: number;
  readonly outBytes: number;
}

interface Entry {
  since: string;
  in: number;
  out: number;
  last: CounterReading;
}

/** The form in which they are kept. */
export interface KeptMonth {
  readonly format: 1;
  /** The calendar month of the machine's time zone, such as `2026-03`. */
  readonly month: string;
  /** ISO 8601: when a counter was last read. */
  readonly at: string;
  readonly wans: Readonly<Record<string, Readonly<Entry>>>;
}

/** A pause that is no gap: what came meanwhile is taken for the new month's when it ended in it. */
const NO_GAP_MS = 3_600_000;
/** For how long a clock that is behind is taken for one that nobody has set yet, as after a boot without a battery. */
const UNSET_MS = 86_400_000;
/** Names that are remembered at most; a mark has room for fewer WANs. */
const MOST_NAMES = 1024;

/**
 * The bytes of each WAN in this calendar month. Readings are differences to the one before, which is kept with them, so
 * nothing is lost while nobody reads: counters of the same boot went on, and those of another began with it. Pure: each
 * reading comes in with its times.
 */
export class MonthCounts {
  #month: string | undefined;
  #at = Number.NEGATIVE_INFINITY;
  #entries = new Map<string, Entry>();
  /** Since when, on the clock that never goes back, the date has been in an earlier month. */
  #behindSince: number | undefined;

  /** @param kept what an earlier one said of itself; undefined where there is none */
  constructor(kept?: KeptMonth) {
    if (kept === undefined) return;
    this.#month = kept.month;
    this.#at = Date.parse(kept.at);
    this.#entries = new Map(Object.entries(kept.wans).map(([name, entry]) => [name, { ...entry }]));
  }

  /**
   * Takes in what counters say at one moment, by WAN.
   * @param date the machine's, which somebody may set
   * @param now milliseconds of a clock that never goes back
   */
  read(readings: ReadonlyMap<string, CounterReading>, date: Date, now: number): void {
    if (readings.size === 0) return;
    this.#turn(date, now);
    for (const [name, reading] of readings) this.#count(name, reading, date);
    this.#at = date.getTime();
  }

  /** Undefined where the WAN was not seen yet. */
  of(name: string): MonthBytes | undefined {
    const entry = this.#entries.get(name);
    return entry && { since: entry.since, inBytes: entry.in, outBytes: entry.out };
  }

  /** What the next one should know; undefined where there is nothing. */
  kept(): KeptMonth | undefined {
    if (this.#month === undefined) return undefined;
    const at = new Date(this.#at).toISOString();
    return { format: 1, month: this.#month, at, wans: Object.fromEntries(this.#entries) };
  }

  #count(name: string, reading: CounterReading, date: Date): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      if (this.#entries.size >= MOST_NAMES) return;
      // What it counted before may be of any month.
      this.#entries.set(name, { since: date.toISOString(), in: 0, out: 0, last: reading });
      return;
    }
    const { last } = entry;
    entry.last = reading;
    if (last.place !== reading.place) return;
    const grown = growth(last.boot === reading.boot ? last : undefined, reading);
    entry.in += grown.in;
    entry.out += grown.out;
  }

  /** Begins a month when the date is in another one. */
  #turn(date: Date, now: number): void {
    const month = monthOf(date);
    if (this.#month === undefined || month === this.#month) {
      this.#month = month;
      this.#behindSince = undefined;
      return;
    }
    if (month < this.#month) {
      this.#behindSince ??= now;
      if (now - this.#behindSince < UNSET_MS) return;
    }
    this.#behindSince = undefined;
    const since = date.getTime() - this.#at;
    const isGap = since < 0 || since > NO_GAP_MS;
    this.#month = month;
    if (isGap) {
      this.#entries.clear();
      return;
    }
    const first = new Date(date.getFullYear(), date.getMonth()).toISOString();
    for (const entry of this.#entries.values()) Object.assign(entry, { since: first, in: 0, out: 0 });
  }
}

/** What {@link MonthCounts.kept} made and somebody else has stored; undefined where it is anything else. */
export function parseKeptMonth(stored: unknown): KeptMonth | undefined {
  const { format, month, at, wans } = (stored ?? {}) as Partial<KeptMonth>;
  const isKept =
    format === 1 &&
    /^\d{4,6}-\d\d$/.test(String(month)) &&
    isDate(at) &&
    Object.values(wans ?? {}).every(isEntry);
  return isKept && wans !== null && typeof wans === 'object' ? (stored as KeptMonth) : undefined;
}

function isEntry(entry: Entry | null | undefined): boolean {
  return (
    isCount(entry) &&
    isDate(entry.since) &&
    isCount(entry.last) &&
    isText(entry.last.place) &&
    isText(entry.last.boot)
  );
}

function isCount<T extends ByteCount>(count: T | null | undefined): count is T {
  return [count?.in, count?.out].every((bytes) => Number.isSafeInteger(bytes) && bytes! >= 0);
}

function isText(text: unknown): boolean {
  return typeof text === 'string';
}

function isDate(text: unknown): boolean {
  return typeof text === 'string' && !Number.isNaN(Date.parse(text));
}

function monthOf(date: Date): string {
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}`;
}
